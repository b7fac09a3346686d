// Json: whatever is accepted survives parse -> dump -> parse unchanged; and it is accepted exactly when
// nlohmann's reader accepts it, where the policies agree (depth and duplicate keys are ours).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using beluga::Json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool bom = text.substr(0, 3) == "\xEF\xBB\xBF";
  // nlohmann's lexer takes a NUL outside a string for the end of the text.
  const bool comparable = text.find('\0') == std::string_view::npos;
  bool policy = false;  // refused by a policy that nlohmann does not share
  try {
    const Json read = Json::parse(text, {.max_depth = 128, .duplicate_keys = Json::DuplicateKeys::error});
    const std::string wire = read.dump();
    const Json again = Json::parse(wire);
    require(again == read, "parse(dump(x)) == x");
    require(again.dump() == wire, "dump is a fixed point");
    require(Json::parse(read.dump(2)) == read, "indented text reads back the same");
    // Number ranges are nlohmann's policy: it refuses what a double cannot hold.
    const bool theirs = nlohmann::json::accept(text.begin(), text.end());
    if (!theirs) {
      bool range = false;
      try {
        static_cast<void>(nlohmann::json::parse(text.begin(), text.end()));
      } catch (const nlohmann::json::out_of_range&) {
        range = true;
      } catch (const nlohmann::json::exception&) {
      }
      require(range || bom || !comparable, "what we accept, nlohmann accepts");
    }
    const Json copy = read;
    require(copy == read, "a copy is equal");
  } catch (const beluga::Error& error) {
    const std::string& message = error.message();
    policy = message.find("occurs twice") != std::string::npos ||
             message.find("nested deeper") != std::string::npos;
    require(message.rfind("line ", 0) == 0, "an error says its line");
    require(policy || !comparable || !nlohmann::json::accept(text.begin(), text.end()),
            "what nlohmann accepts, we accept");
  }
  try {
    const Json last = Json::parse(text, {.duplicate_keys = Json::DuplicateKeys::last_wins});
    if (policy) require(last == Json::parse(last.dump()), "last_wins leaves no duplicate");
    const auto theirs = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
    if (!theirs.is_discarded() && !bom) {
      require(theirs == nlohmann::json::parse(last.dump(), nullptr, false), "both read the same values");
    }
  } catch (const beluga::Error&) {
  }
  return 0;
}
