// Schema: any text is either a schema or refused with a typed error; a schema's answers agree with each other
// and with those of schemas that mean the same. A line feed separates the schema from the instance, so both
// stand on one line each (JSON allows that).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/schema.hpp"

namespace {

using beluga::Error;
using beluga::ErrorCode;
using beluga::Json;
using beluga::Schema;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what.c_str());
  std::abort();
}

// Small bounds: hostile pairs must end in resource_exhausted, not in a timeout of the fuzzer.
const beluga::SchemaOptions kOptions{.max_depth = 64, .max_work = 20'000};

std::optional<Schema> compile(const Json& json) {
  try {
    return Schema(json, kOptions);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::resource_exhausted,
            error.what());
    require(!error.message().empty(), "a refusal says why");
    return std::nullopt;
  }
}

/// Nothing when the work was too much.
std::optional<bool> fits(const Schema& schema, const Json& instance) {
  try {
    return schema.valid(instance);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::resource_exhausted, error.what());
    return std::nullopt;
  }
}

/// validate() and check() must say what valid() said. They may do more work, and so may give up where it did
/// not.
void agree(const Schema& schema, const Json& instance, bool valid) {
  try {
    const std::vector<beluga::SchemaViolation> violations = schema.validate(instance);
    require(violations.empty() == valid, "validate() agrees with valid()");
    for (const auto& violation : violations) {
      require(!violation.message.empty(), "a violation says what is wrong");
      require(violation.instance_path.empty() || violation.instance_path.front() == '/', "a JSON Pointer");
    }
  } catch (const Error& error) {
    require(error.code() == ErrorCode::resource_exhausted, error.what());
  }
  try {
    schema.check(instance);
    require(valid, "check() throws for what is not valid");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::resource_exhausted ||
                (error.code() == ErrorCode::invalid_argument && !valid),
            error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = text.find('\n');
  if (cut == std::string_view::npos) return 0;
  std::optional<Json> json, instance;
  try {
    json = Json::parse(text.substr(0, cut));
    instance = Json::parse(text.substr(cut + 1));
  } catch (const Error&) {
    return 0;
  }
  const std::optional<Schema> schema = compile(*json);
  if (!schema) return 0;
  const std::optional<bool> valid = fits(*schema, *instance);
  require(fits(*schema, *instance) == valid, "the same question has the same answer");
  if (!valid) return 0;
  agree(*schema, *instance, *valid);

  // "$id", "$ref" and their like mean something else one level deeper.
  if (text.substr(0, cut).find('$') != std::string_view::npos) return 0;
  // An escape may hide a dollar sign.
  if (text.substr(0, cut).find('\\') != std::string_view::npos) return 0;
  const auto wrapped = [&](std::string_view keyword, bool list) -> std::optional<bool> {
    Json inner = *json;
    if (list) {
      inner = Json::array();
      inner.push_back(*json);
    }
    Json outer = Json::object();
    outer[keyword] = std::move(inner);
    const std::optional<Schema> other = compile(outer);
    return other ? fits(*other, *instance) : std::nullopt;
  };
  if (const auto all = wrapped("allOf", true)) require(*all == *valid, "allOf [S] is S");
  if (const auto one = wrapped("oneOf", true)) require(*one == *valid, "oneOf [S] is S");
  if (const auto none = wrapped("not", false)) require(*none != *valid, "not S is the opposite of S");
  return 0;
}
