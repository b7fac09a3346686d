#pragma once
/// The built-in tools: read, list and search files below one folder, calculate, tell the time.
///
///     Agent agent{{.model = model, .tools = tool::builtin::standard({.root = "docs"})}};
///
/// File tools see regular files below their root only: paths are relative, and resolved by
/// openat2(RESOLVE_BENEATH), so that neither "..", absolute paths nor symbolic links lead out, whoever
/// changes the tree meanwhile. They never write. Thread-safety: tools are immutable; call them from anywhere
/// at once.

#include <string>
#include <vector>

#include "beluga/contract/tool.hpp"

namespace beluga::tool::builtin {

/// Factories of the file tools throw Error{not_found} when `root` is no folder.
ToolPtr read_file(const std::string& root);
ToolPtr list_files(const std::string& root);
ToolPtr search_files(const std::string& root);
ToolPtr calculator();
ToolPtr current_time();

struct StandardOptions {
  std::string root = ".";  ///< the one folder that the file tools may read
};
/// All of them.
std::vector<ToolPtr> standard(const StandardOptions& options = {});

}  // namespace beluga::tool::builtin
