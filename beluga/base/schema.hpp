#pragma once
/// `Schema`: a compiled JSON Schema, draft 2020-12 (json-schema.org/draft/2020-12), all vocabularies.
///
///     Schema schema(Json::parse(R"({"type":"object","properties":{"limit":{"maximum":50}}})"));
///     for (const SchemaViolation& v : schema.validate(arguments)) log(v.text());
///                                             // "/limit: 99 is above the maximum 50"
///
/// Nothing is ever fetched: a $ref reaches the schema itself, the documents given in the options, and the
/// metaschemas of 2020-12, which are built in; any other is an error of the schema. `format` is an annotation
/// unless asserted. Patterns are ECMA-262 by PCRE2 under match limits. Hostile schemas and instances end in
/// Error{resource_exhausted}: depth and work are bounded. Thread-safety: immutable and cheap to copy; all
/// const members from any thread at once.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/base/json.hpp"

namespace beluga {

/// One way in which an instance does not fit.
struct SchemaViolation {
  std::string instance_path{};  ///< JSON Pointer into the instance: "/filters/0"; empty: the whole
  std::string schema_path{};    ///< keyword that failed, through references: "/properties/limit/maximum"
  std::string message{};        ///< one line for a person or a model: "99 is above the maximum 50"
  /// "<instance_path>: <message>", the whole instance being "(root)".
  std::string text() const;
};

struct SchemaOptions {
  /// Further documents that $ref may reach, by absolute URI.
  std::vector<std::pair<std::string, Json>> documents{};
  std::string base_uri{};              ///< of the schema itself, when it has no $id
  bool assert_format = false;          ///< `format` rejects; unknown formats never do
  unsigned max_depth = 256;            ///< nested subschema evaluations
  std::uint64_t max_work = 2'000'000;  ///< subschema evaluations and comparisons of one validate()
  std::size_t max_violations = 20;     ///< validate() stops collecting then
};

class Schema {
 public:
  /// Throws Error{invalid_argument} with the place for what is no schema: a wrong kind, an unknown $ref, a
  /// bad pattern.
  explicit Schema(const Json& schema, SchemaOptions options = {});

  /// Everything that is wrong, in the order of the schema; empty when the instance fits.
  std::vector<SchemaViolation> validate(const Json& instance) const;
  /// Whether it fits; quicker than validate().
  bool valid(const Json& instance) const;
  /// Throws Error{invalid_argument} with the first violations, "<path>: <message>; ...", unless it fits.
  void check(const Json& instance) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace beluga
