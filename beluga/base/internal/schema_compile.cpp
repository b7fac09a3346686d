/// From JSON to nodes: finds the resources and anchors of each document that is reached, then compiles
/// subschema by subschema from a worklist, so that neither depth nor reference chains use the stack.

#include <algorithm>
#include <array>
#include <set>

#include "beluga/base/error.hpp"
#include "beluga/base/internal/json_pointer.hpp"
#include "beluga/base/internal/metaschemas.hpp"
#include "beluga/base/internal/schema_node.hpp"
#include "beluga/base/internal/uri_reference.hpp"
#include "beluga/base/result.hpp"

namespace beluga::detail {
namespace {

constexpr std::string_view kDraft = "https://json-schema.org/draft/2020-12/";
constexpr std::size_t kMaxNodes = 100'000;

constexpr std::array<std::string_view, 11> kOneSchema{"additionalItems",
                                                      "additionalProperties",
                                                      "contains",
                                                      "contentSchema",
                                                      "else",
                                                      "if",
                                                      "items",
                                                      "not",
                                                      "propertyNames",
                                                      "then",
                                                      "unevaluatedItems"};
constexpr std::string_view kUnevaluatedProperties = "unevaluatedProperties";
constexpr std::array<std::string_view, 5> kSchemaArrays{"allOf", "anyOf", "oneOf", "prefixItems", "items"};
constexpr std::array<std::string_view, 6> kSchemaMaps{"$defs",        "definitions",       "dependentSchemas",
                                                      "dependencies", "patternProperties", "properties"};

bool is_schema(const Json& json) {
  return json.is_object() || json.is_bool();
}

std::string escaped(std::string_view token) {
  std::string out;
  append_pointer_token(out, token);
  return out;
}

/// Calls f(pointer suffix, child) for each place below `schema` where a subschema stands.
template <class F>
void for_each_subschema(const Json& schema, F f) {
  for (const Json::Member& member : schema.members()) {
    const std::string& key = member.key;
    const Json& value = member.value;
    const auto is = [&](const auto& list) { return std::find(list.begin(), list.end(), key) != list.end(); };
    if (is_schema(value) && (is(kOneSchema) || key == kUnevaluatedProperties)) {
      f("/" + key, value);
    } else if (value.is_array() && is(kSchemaArrays)) {
      for (std::size_t i = 0; i < value.size(); ++i)
        if (is_schema(value.items()[i])) f("/" + key + "/" + std::to_string(i), value.items()[i]);
    } else if (value.is_object() && is(kSchemaMaps)) {
      for (const Json::Member& one : value.members())
        if (is_schema(one.value)) f("/" + key + "/" + escaped(one.key), one.value);
    }
  }
}

std::string without_fragment(std::string_view uri) {
  return std::string(uri.substr(0, uri.find('#')));
}

}  // namespace

const SchemaNode* SchemaNode::property(std::string_view name) const noexcept {
  for (const SchemaMember& member : properties)
    if (member.name == name) return member.node;
  return nullptr;
}

class SchemaGraph::Compiler {
 public:
  explicit Compiler(SchemaGraph& graph) : graph_(graph) {}

  void run() {
    index(graph_.schema_, graph_.options_.base_uri, "", nullptr);
    graph_.root_ = node(graph_.schema_);
    do {
      while (!pending_.empty()) {
        SchemaNode* next = pending_.back();
        pending_.pop_back();
        compile(*next);
      }
      // Whatever resource is met on the way to a $dynamicRef may redefine its anchor: have all of those
      // ready.
      for (std::size_t r = 0; r < graph_.resources_.size(); ++r)
        for (const auto& [name, schema] : graph_.resources_[r]->dynamic_anchors)
          if (wanted_.contains(name)) node(*schema);
    } while (!pending_.empty());
  }

 private:
  [[noreturn]] void fail(const Json& schema, std::string_view keyword, std::string_view message) const {
    const auto place = graph_.places_.find(&schema);
    std::string where = place == graph_.places_.end() ? std::string() : place->second.pointer;
    if (!keyword.empty()) where += "/" + escaped(keyword);
    if (where.empty()) where = "(root)";
    if (place != graph_.places_.end() && !place->second.resource->uri.empty() &&
        place->second.resource->root != &graph_.schema_)
      where = place->second.resource->uri + " " + where;
    raise(Error(ErrorCode::invalid_argument, "JSON Schema: " + where + ": " + std::string(message)));
  }

  // ---- documents, resources, anchors

  struct Visit {
    const Json* schema;
    SchemaResource* resource;  // enclosing one; null at the root of a document
    std::string pointer;
  };

  /// Registers the resources and anchors in `top`, which stands at `pointer` of its document.
  void index(const Json& top, const std::string& uri, std::string pointer, SchemaResource* enclosing) {
    std::vector<Visit> stack{{&top, enclosing, std::move(pointer)}};
    while (!stack.empty()) {
      Visit visit = std::move(stack.back());
      stack.pop_back();
      if (graph_.places_.contains(visit.schema)) continue;
      if (graph_.places_.size() >= kMaxNodes)
        raise(Error(ErrorCode::resource_exhausted, "JSON Schema: more than 100000 subschemas"));
      SchemaResource* resource = visit.resource;
      const Json* id = visit.schema->find("$id");
      if (id != nullptr && !id->is_string()) fail_at(visit, "$id", "expected a string");
      if (resource == nullptr || id != nullptr) {
        const std::string base = resource != nullptr ? resource->uri : uri;
        resource =
            add_resource(*visit.schema, id != nullptr ? resolve_uri(base, id->as_string()) : base, resource);
        if (visit.resource == nullptr && !uri.empty()) graph_.by_uri_.emplace(uri, resource);
      }
      graph_.places_.emplace(visit.schema, Place{resource, visit.pointer});
      for (const char* keyword : {"$anchor", "$dynamicAnchor"}) {
        const Json* anchor = visit.schema->find(keyword);
        if (anchor == nullptr) continue;
        if (!anchor->is_string()) fail(*visit.schema, keyword, "expected a string");
        resource->anchors.emplace(anchor->as_string(), visit.schema);
        if (keyword[1] == 'd') resource->dynamic_anchors.emplace(anchor->as_string(), visit.schema);
      }
      for_each_subschema(*visit.schema, [&](const std::string& suffix, const Json& child) {
        stack.push_back({&child, resource, visit.pointer + suffix});
      });
    }
  }

  [[noreturn]] void fail_at(const Visit& visit, std::string_view keyword, std::string_view message) const {
    raise(Error(ErrorCode::invalid_argument,
                "JSON Schema: " + visit.pointer + "/" + std::string(keyword) + ": " + std::string(message)));
  }

  SchemaResource* add_resource(const Json& root, const std::string& uri, const SchemaResource* enclosing) {
    auto resource = std::make_unique<SchemaResource>();
    resource->uri = without_fragment(uri);
    resource->root = &root;
    if (enclosing != nullptr) resource->dialect = enclosing->dialect;
    SchemaResource* added = resource.get();
    graph_.resources_.push_back(std::move(resource));
    graph_.by_uri_.emplace(added->uri, added);
    if (const Json* dialect = root.find("$schema")) {
      if (!dialect->is_string())
        raise(Error(ErrorCode::invalid_argument, "JSON Schema: /$schema: expected a string"));
      added->dialect = dialect_of(without_fragment(dialect->as_string()));
    }
    return added;
  }

  Dialect dialect_of(const std::string& uri) {
    Dialect dialect;
    if (uri == "https://json-schema.org/draft/2020-12/schema") return dialect;
    if (uri.find("json-schema.org/draft-0") != std::string::npos ||
        uri.find("json-schema.org/draft/2019-09/") != std::string::npos) {
      dialect.array_items = true;
      return dialect;
    }
    const Json* document = find_document(uri);
    const Json* vocabularies = document == nullptr ? nullptr : document->find("$vocabulary");
    if (vocabularies == nullptr) return dialect;
    dialect = {.applicator = false, .unevaluated = false, .validation = false};
    for (const Json::Member& one : vocabularies->members()) {
      const std::string_view name = one.key;
      if (name == std::string(kDraft) + "vocab/applicator")
        dialect.applicator = true;
      else if (name == std::string(kDraft) + "vocab/unevaluated")
        dialect.unevaluated = true;
      else if (name == std::string(kDraft) + "vocab/validation")
        dialect.validation = true;
      else if (name == std::string(kDraft) + "vocab/format-assertion")
        dialect.format_assertion = true;
      else if (name.substr(0, kDraft.size()) != kDraft && one.value.is_bool() && one.value.as_bool())
        raise(
            Error(ErrorCode::unimplemented, "JSON Schema: /$schema: the metaschema requires the vocabulary " +
                                                one.key + ", which is not known"));
    }
    return dialect;
  }

  /// A document that is not in use yet.
  const Json* find_document(std::string_view uri) {
    for (const auto& [name, document] : graph_.options_.documents)
      if (without_fragment(name) == uri) return &document;
    for (const auto& [name, document] : graph_.options_.documents) {
      const Json* id = document.find("$id");
      if (id != nullptr && id->is_string() && without_fragment(resolve_uri(name, id->as_string())) == uri)
        return &document;
    }
    for (const auto& document : graph_.loaded_)
      if (document->at("$id").as_string() == uri) return document.get();
    if (const std::string_view text = metaschema(uri); !text.empty()) {
      graph_.loaded_.push_back(std::make_unique<Json>(Json::parse(text)));
      return graph_.loaded_.back().get();
    }
    return nullptr;
  }

  SchemaResource* find_resource(const std::string& uri) {
    if (const auto found = graph_.by_uri_.find(uri); found != graph_.by_uri_.end()) return found->second;
    const Json* document = find_document(uri);
    if (document == nullptr || !is_schema(*document)) return nullptr;
    index(*document, uri, "", nullptr);
    const auto found = graph_.by_uri_.find(uri);
    return found == graph_.by_uri_.end() ? nullptr : found->second;
  }

  // ---- references

  const Json& target(const SchemaNode& from, std::string_view keyword, const std::string& reference) {
    const std::string absolute = resolve_uri(from.resource->uri, reference);
    const std::string uri = without_fragment(absolute);
    const UriParts parts = split_uri(absolute);
    const SchemaResource* resource = uri == from.resource->uri ? from.resource : find_resource(uri);
    if (resource == nullptr)
      fail(*from.source, keyword,
           "'" + reference +
               "' is not within this schema or the documents given with it, and nothing is fetched");
    const std::string fragment = percent_decoded(parts.fragment);
    if (fragment.empty()) return *resource->root;
    if (fragment[0] != '/') {
      const auto anchor = resource->anchors.find(fragment);
      if (anchor == resource->anchors.end())
        fail(*from.source, keyword, "'" + reference + "': there is no such anchor");
      return *anchor->second;
    }
    return by_pointer(from, keyword, reference, *resource, fragment);
  }

  const Json& by_pointer(const SchemaNode& from, std::string_view keyword, const std::string& reference,
                         const SchemaResource& resource, std::string_view pointer) {
    const Json* at = resource.root;
    const SchemaResource* nearest = &resource;
    std::string_view rest = pointer;
    while (!rest.empty()) {
      rest.remove_prefix(1);
      const auto slash = rest.find('/');
      const std::string_view token = rest.substr(0, slash);
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
      at = at->pointer("/" + std::string(token));
      if (at == nullptr) fail(*from.source, keyword, "'" + reference + "' leads nowhere");
      if (const auto place = graph_.places_.find(at); place != graph_.places_.end())
        nearest = place->second.resource;
    }
    if (!is_schema(*at))
      fail(*from.source, keyword,
           "'" + reference + "' leads to a " + std::string(to_string(at->kind())) + ", not to a schema");
    if (!graph_.places_.contains(at))
      index(*at, "", std::string(pointer), const_cast<SchemaResource*>(nearest));
    return *at;
  }

  // ---- nodes

  const SchemaNode* node(const Json& schema) {
    auto& slot = graph_.nodes_[&schema];
    if (!slot) {
      slot = std::make_unique<SchemaNode>();
      slot->source = &schema;
      slot->resource = graph_.places_.at(&schema).resource;
      pending_.push_back(slot.get());
    }
    return slot.get();
  }

  const SchemaNode* subschema(const Json& owner, std::string_view keyword, const Json& value) {
    if (!is_schema(value))
      fail(owner, keyword,
           "expected a schema (an object or a boolean), got " + std::string(to_string(value.kind())));
    return node(value);
  }

  void one(const SchemaNode& n, const char* keyword, const SchemaNode*& out) {
    if (const Json* value = n.source->find(keyword)) out = subschema(*n.source, keyword, *value);
  }
  void list(const SchemaNode& n, const char* keyword, std::vector<const SchemaNode*>& out) {
    const Json* value = n.source->find(keyword);
    if (value == nullptr) return;
    if (!value->is_array() || value->empty())
      fail(*n.source, keyword, "expected a non-empty array of schemas");
    for (const Json& item : value->items()) out.push_back(subschema(*n.source, keyword, item));
  }
  template <class F>
  void map(const SchemaNode& n, const char* keyword, F f) {
    const Json* value = n.source->find(keyword);
    if (value == nullptr) return;
    if (!value->is_object()) fail(*n.source, keyword, "expected an object of schemas");
    for (const Json::Member& member : value->members()) f(member);
  }
  void number(const SchemaNode& n, const char* keyword, std::string& out) const {
    const Json* value = n.source->find(keyword);
    if (value == nullptr) return;
    if (!value->is_number())
      fail(*n.source, keyword, "expected a number, got " + std::string(to_string(value->kind())));
    out = value->number_text();
  }
  void count(const SchemaNode& n, const char* keyword, std::optional<std::uint64_t>& out) const {
    const Json* value = n.source->find(keyword);
    if (value == nullptr) return;
    if (!value->is_number() || !value->is_integer() || value->number_text().substr(0, 1) == "-")
      fail(*n.source, keyword, "expected a non-negative integer");
    const auto number = attempt([&] { return value->as_uint(); });
    out = number.ok() ? *number : ~std::uint64_t{0};  // above any size there is
  }
  std::vector<std::string> names(const SchemaNode& n, std::string_view keyword, const Json& value) const {
    if (!value.is_array()) fail(*n.source, keyword, "expected an array of strings");
    std::vector<std::string> out;
    for (const Json& item : value.items()) {
      if (!item.is_string()) fail(*n.source, keyword, "expected an array of strings");
      out.push_back(item.as_string());
    }
    return out;
  }
  SchemaPattern pattern(const SchemaNode& n, const char* keyword, const std::string& text) const {
    const auto regex = attempt([&] { return EcmaRegex(text); });
    if (!regex.ok()) fail(*n.source, keyword, regex.error().message());
    return {text, *regex, nullptr};
  }

  static std::uint8_t type_bit(std::string_view name) {
    if (name == "null") return kNull;
    if (name == "boolean") return kBoolean;
    if (name == "integer") return kInteger;
    if (name == "number") return kNumber;
    if (name == "string") return kString;
    if (name == "array") return kArray;
    if (name == "object") return kObject;
    return 0;
  }

  void compile(SchemaNode& n) {
    const Json& schema = *n.source;
    if (schema.is_bool()) {
      n.boolean = schema.as_bool();
      return;
    }
    if (!schema.is_object())
      fail(schema, "",
           "expected a schema (an object or a boolean), got " + std::string(to_string(schema.kind())));
    references(n);
    if (n.resource->dialect.validation) assertions(n);
    if (const Json* format = schema.find("format")) {
      if (!format->is_string()) fail(schema, "format", "expected a string");
      if (graph_.options_.assert_format || n.resource->dialect.format_assertion)
        n.format = format->as_string();
    }
    if (n.resource->dialect.applicator) applicators(n);
    if (n.resource->dialect.unevaluated) {
      one(n, "unevaluatedItems", n.unevaluated_items);
      one(n, "unevaluatedProperties", n.unevaluated_properties);
    }
  }

  void references(SchemaNode& n) {
    const auto text = [&](const char* keyword) -> const std::string* {
      const Json* value = n.source->find(keyword);
      if (value == nullptr) return nullptr;
      if (!value->is_string()) fail(*n.source, keyword, "expected a string");
      return &value->as_string();
    };
    if (const std::string* ref = text("$ref")) n.ref = node(target(n, "$ref", *ref));
    if (const std::string* ref = text("$dynamicRef")) {
      const Json& initial = target(n, "$dynamicRef", *ref);
      n.dynamic_ref = node(initial);
      const Json* anchor = initial.find("$dynamicAnchor");
      const std::string fragment = percent_decoded(split_uri(*ref).fragment);
      if (anchor != nullptr && anchor->is_string() && anchor->as_string() == fragment) {
        n.dynamic_anchor = fragment;
        wanted_.insert(fragment);
      }
    }
  }

  void assertions(SchemaNode& n) {
    const Json& schema = *n.source;
    if (const Json* type = schema.find("type")) {
      const auto add = [&](const Json& name) {
        const std::uint8_t bit = name.is_string() ? type_bit(name.as_string()) : std::uint8_t{0};
        if (bit == 0)
          fail(schema, "type",
               "expected null, boolean, integer, number, string, array or object, got " + name.dump());
        n.types = static_cast<std::uint8_t>(n.types | bit);
      };
      if (type->is_array()) {
        if (type->empty()) fail(schema, "type", "expected at least one type");
        for (const Json& name : type->items()) add(name);
      } else {
        add(*type);
      }
    }
    if (const Json* values = schema.find("enum")) {
      if (!values->is_array()) fail(schema, "enum", "expected an array");
      n.enumeration = values;
    }
    n.constant = schema.find("const");
    number(n, "minimum", n.minimum);
    number(n, "maximum", n.maximum);
    number(n, "exclusiveMinimum", n.exclusive_minimum);
    number(n, "exclusiveMaximum", n.exclusive_maximum);
    number(n, "multipleOf", n.multiple_of);
    if (!n.multiple_of.empty() && (n.multiple_of[0] == '-' || *schema.find("multipleOf") == Json(0)))
      fail(schema, "multipleOf", "expected a number above 0");
    count(n, "minLength", n.min_length);
    count(n, "maxLength", n.max_length);
    if (const Json* text = schema.find("pattern")) {
      if (!text->is_string()) fail(schema, "pattern", "expected a string");
      n.pattern = pattern(n, "pattern", text->as_string());
    }
    count(n, "minItems", n.min_items);
    count(n, "maxItems", n.max_items);
    count(n, "minContains", n.min_contains);
    count(n, "maxContains", n.max_contains);
    if (const Json* unique = schema.find("uniqueItems")) {
      if (!unique->is_bool()) fail(schema, "uniqueItems", "expected a boolean");
      n.unique_items = unique->as_bool();
    }
    count(n, "minProperties", n.min_properties);
    count(n, "maxProperties", n.max_properties);
    if (const Json* required = schema.find("required")) {
      // Draft 3 put a boolean into each property; some generators still do.
      n.required = names(n, "required", *required);
    }
    map(n, "dependentRequired", [&](const Json::Member& member) {
      n.dependent_required.push_back({member.key, names(n, "dependentRequired", member.value)});
    });
  }

  void applicators(SchemaNode& n) {
    list(n, "allOf", n.all_of);
    list(n, "anyOf", n.any_of);
    list(n, "oneOf", n.one_of);
    one(n, "not", n.not_);
    one(n, "if", n.if_);
    if (n.if_ != nullptr) {
      one(n, "then", n.then);
      one(n, "else", n.else_);
    }
    const Json* items = n.source->find("items");
    if (items != nullptr && items->is_array() && n.resource->dialect.array_items) {
      for (const Json& item : items->items()) n.prefix_items.push_back(subschema(*n.source, "items", item));
      one(n, "additionalItems", n.items);
    } else {
      list(n, "prefixItems", n.prefix_items);
      one(n, "items", n.items);
    }
    one(n, "contains", n.contains);
    map(n, "properties", [&](const Json::Member& member) {
      n.properties.push_back({member.key, subschema(*n.source, "properties", member.value)});
    });
    map(n, "patternProperties", [&](const Json::Member& member) {
      SchemaPattern compiled = pattern(n, "patternProperties", member.key);
      compiled.node = subschema(*n.source, "patternProperties", member.value);
      n.pattern_properties.push_back(std::move(compiled));
    });
    one(n, "additionalProperties", n.additional_properties);
    one(n, "propertyNames", n.property_names);
    map(n, "dependentSchemas", [&](const Json::Member& member) {
      n.dependent_schemas.push_back({member.key, subschema(*n.source, "dependentSchemas", member.value)});
    });
    map(n, "dependencies", [&](const Json::Member& member) {  // until draft 7
      if (member.value.is_array())
        n.dependent_required.push_back({member.key, names(n, "dependencies", member.value)});
      else
        n.dependent_schemas.push_back({member.key, subschema(*n.source, "dependencies", member.value)});
    });
  }

  SchemaGraph& graph_;
  std::vector<SchemaNode*> pending_;
  std::set<std::string, std::less<>> wanted_;
};

SchemaGraph::SchemaGraph(const Json& schema, SchemaOptions options)
    : options_(std::move(options)), schema_(schema) {
  Compiler(*this).run();
}
SchemaGraph::~SchemaGraph() = default;

const SchemaNode* SchemaGraph::dynamic_anchor(const SchemaResource& resource, std::string_view name) const {
  const auto anchor = resource.dynamic_anchors.find(name);
  if (anchor == resource.dynamic_anchors.end()) return nullptr;
  const auto found = nodes_.find(anchor->second);
  return found == nodes_.end() ? nullptr : found->second.get();
}

}  // namespace beluga::detail
