#pragma once
/// The compiled form of a JSON Schema: made by schema_compile.cpp, walked by schema.cpp.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "beluga/base/internal/ecma_regex.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/schema.hpp"

namespace beluga::detail {

struct SchemaNode;

/// What the metaschema of a resource turns on (core section 8.1.2).
struct Dialect {
  bool applicator = true;
  bool unevaluated = true;
  bool validation = true;
  bool format_assertion = false;
  bool array_items = false;  ///< drafts up to 2019-09: "items" may be an array
};

/// A schema resource: a root with a URI of its own and the anchors within (core section 4.3.5).
struct SchemaResource {
  std::string uri;
  const Json* root = nullptr;
  Dialect dialect{};
  std::map<std::string, const Json*, std::less<>> anchors{};
  std::map<std::string, const Json*, std::less<>> dynamic_anchors{};
};

enum TypeBit : std::uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
};

struct SchemaPattern {
  std::string text;
  EcmaRegex regex;
  const SchemaNode* node = nullptr;
};
struct SchemaMember {
  std::string name;
  const SchemaNode* node = nullptr;
};
struct SchemaNames {
  std::string name;
  std::vector<std::string> needed;
};

/// One subschema. Null and empty mean that the keyword is absent.
struct SchemaNode {
  const Json* source = nullptr;
  const SchemaResource* resource = nullptr;
  std::optional<bool> boolean{};

  std::uint8_t types = 0;
  const Json* enumeration = nullptr;
  const Json* constant = nullptr;

  std::string minimum{}, maximum{}, exclusive_minimum{}, exclusive_maximum{}, multiple_of{};  // number texts

  std::optional<std::uint64_t> min_length{}, max_length{};
  std::optional<SchemaPattern> pattern{};
  std::string format{};

  std::optional<std::uint64_t> min_items{}, max_items{}, min_contains{}, max_contains{};
  bool unique_items = false;
  std::vector<const SchemaNode*> prefix_items{};
  const SchemaNode* items = nullptr;
  const SchemaNode* contains = nullptr;
  const SchemaNode* unevaluated_items = nullptr;

  std::optional<std::uint64_t> min_properties{}, max_properties{};
  std::vector<std::string> required{};
  std::vector<SchemaNames> dependent_required{};
  std::vector<SchemaMember> properties{};
  std::vector<SchemaPattern> pattern_properties{};
  const SchemaNode* additional_properties = nullptr;
  const SchemaNode* property_names = nullptr;
  std::vector<SchemaMember> dependent_schemas{};
  const SchemaNode* unevaluated_properties = nullptr;

  const SchemaNode* ref = nullptr;
  const SchemaNode* dynamic_ref = nullptr;
  std::string dynamic_anchor{};  ///< of dynamic_ref, when the scope decides
  std::vector<const SchemaNode*> all_of{}, any_of{}, one_of{};
  const SchemaNode* not_ = nullptr;
  const SchemaNode* if_ = nullptr;
  const SchemaNode* then = nullptr;
  const SchemaNode* else_ = nullptr;

  bool tracks() const noexcept { return unevaluated_items != nullptr || unevaluated_properties != nullptr; }
  const SchemaNode* property(std::string_view name) const noexcept;
};

/// Owns the documents and all nodes. Immutable once compiled.
class SchemaGraph {
 public:
  SchemaGraph(const Json& schema, SchemaOptions options);
  ~SchemaGraph();
  SchemaGraph(const SchemaGraph&) = delete;
  SchemaGraph& operator=(const SchemaGraph&) = delete;

  const SchemaNode& root() const noexcept { return *root_; }
  const SchemaOptions& options() const noexcept { return options_; }
  /// The node of `name` in that resource, or null.
  const SchemaNode* dynamic_anchor(const SchemaResource& resource, std::string_view name) const;

 private:
  class Compiler;
  struct Place {
    const SchemaResource* resource;
    std::string pointer;  ///< within the document, for messages
  };

  SchemaOptions options_;
  Json schema_;
  std::vector<std::unique_ptr<Json>> loaded_;  ///< metaschemas in use
  std::vector<std::unique_ptr<SchemaResource>> resources_;
  std::map<std::string, SchemaResource*, std::less<>> by_uri_;
  std::unordered_map<const Json*, Place> places_;
  std::unordered_map<const Json*, std::unique_ptr<SchemaNode>> nodes_;
  const SchemaNode* root_ = nullptr;
};

/// Whether `text` has that format; true for formats that are not known (validation section 7).
bool has_format(std::string_view format, std::string_view text);

}  // namespace beluga::detail
