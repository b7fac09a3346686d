"""Conan 2 recipe. From the root of the repository:

    conan create packaging/conan --build=missing

The dependencies are Conan Center's. To check the recipe alone, against the system's libraries:

    conan create packaging/conan -o "beluga/*:system_libraries=True"
"""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

ROOT = os.path.join("..", "..")


class Beluga(ConanFile):
    name = "beluga"
    description = "Production agentic AI in C++"
    license = "Apache-2.0"
    topics = ("llm", "agent", "tools", "streaming")
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"fPIC": [True, False], "app": [True, False], "system_libraries": [True, False]}
    default_options = {"fPIC": True, "app": False, "system_libraries": False}

    def set_version(self):
        cmake = load(self, os.path.join(self.recipe_folder, ROOT, "CMakeLists.txt"))
        self.version = re.search(r"project\(Beluga VERSION (\S+)", cmake)[1]

    def export_sources(self):
        root = os.path.join(self.recipe_folder, ROOT)
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "beluga/*"):
            copy(self, pattern, root, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def requirements(self):
        if self.options.system_libraries:
            return
        for name in ("boost/[>=1.81 <2]", "libcurl/[>=7.88 <9]", "openssl/[>=3 <4]", "zlib/[>=1.2.13 <2]", "brotli/[>=1.0.9 <2]",
                     "sqlite3/[>=3.40 <4]", "fmt/[>=9 <12]", "spdlog/[>=1.10 <2]", "yaml-cpp/[>=0.7 <1]", "re2/[>=20220601]",
                     "pcre2/[>=10.42 <11]", "simdjson/[>=3.0 <4]", "tomlplusplus/[>=3.0 <4]"):
            self.requires(name)
        if self.options.app:
            self.requires("cli11/[>=2.3 <3]")
            self.requires("editline/[>=3.1]")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["BELUGA_BUILD_APP"] = bool(self.options.app)
        toolchain.cache_variables["BELUGA_INSTALL"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # Our own package file is complete (components, dependencies): Conan's generated one would be a second truth.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "Beluga")]
