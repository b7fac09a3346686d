#include "beluga/base/schema.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <unordered_set>

#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/internal/json_number.hpp"
#include "beluga/base/internal/schema_node.hpp"
#include "beluga/base/reflect_json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga {
namespace detail {
namespace {

// ---- numbers, exact

/// The significant digits without the point.
std::string significant_digits(const Decimal& d) {
  std::string out;
  for (const char c : d.text)
    if (c != '.' && out.size() < d.digits) out += c;
  return out;
}

/// Negative, zero or positive as |a| is below, equal to or above |b|.
int compare_magnitude(const Decimal& a, const Decimal& b) {
  if (a.digits == 0 || b.digits == 0) return (a.digits != 0 ? 1 : 0) - (b.digits != 0 ? 1 : 0);
  const std::int64_t a_top = a.exponent + static_cast<std::int64_t>(a.digits);
  const std::int64_t b_top = b.exponent + static_cast<std::int64_t>(b.digits);
  if (a_top != b_top) return a_top < b_top ? -1 : 1;
  return significant_digits(a).compare(
      significant_digits(b));  // "12" < "123": more digits at the same top are more
}

int compare_numbers(std::string_view a_text, std::string_view b_text) {
  const Decimal a = decimal(a_text);
  const Decimal b = decimal(b_text);
  const int a_sign = a.digits == 0 ? 0 : a.negative ? -1 : 1;
  const int b_sign = b.digits == 0 ? 0 : b.negative ? -1 : 1;
  if (a_sign != b_sign) return a_sign < b_sign ? -1 : 1;
  return a_sign < 0 ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

__extension__ typedef unsigned __int128 Wide;

/// Exact while the divisor has at most 18 digits and the numbers are of sane length; by doubles beyond.
bool is_multiple(std::string_view value_text, std::string_view divisor_text) {
  constexpr std::int64_t kMaxZeros = 5000;
  const Decimal value = decimal(value_text);
  const Decimal divisor = decimal(divisor_text);
  if (value.digits == 0) return true;
  const std::int64_t low = std::min(value.exponent, divisor.exponent);
  const std::int64_t value_zeros = value.exponent - low;
  const std::int64_t divisor_zeros = divisor.exponent - low;
  if (static_cast<std::int64_t>(divisor.digits) + divisor_zeros <= 18 && value_zeros <= kMaxZeros) {
    std::uint64_t d = 0;
    for (const char c : significant_digits(divisor)) d = d * 10 + static_cast<std::uint64_t>(c - '0');
    for (std::int64_t i = 0; i < divisor_zeros; ++i) d *= 10;
    std::uint64_t remainder = 0;
    const auto push = [&](std::uint64_t digit) {
      remainder = static_cast<std::uint64_t>((static_cast<Wide>(remainder) * 10 + digit) % d);
    };
    for (const char c : significant_digits(value)) push(static_cast<std::uint64_t>(c - '0'));
    for (std::int64_t i = 0; i < value_zeros; ++i) push(0);
    return remainder == 0;
  }
  if (divisor_zeros > 18 && value_zeros == 0)
    return false;  // the value has digits below any digit of the divisor
  const double v = std::strtod(std::string(value_text).c_str(), nullptr);
  const double d = std::strtod(std::string(divisor_text).c_str(), nullptr);
  return d != 0 && std::isfinite(v) && std::fmod(v, d) == 0;
}

/// One text per value: equal values have equal texts.
void append_canonical(std::string& out, const Json& json) {
  switch (json.kind()) {
    case Json::Kind::number: {
      const Decimal d = decimal(json.number_text());
      if (d.digits == 0) {
        out += '0';
      } else {
        if (d.negative) out += '-';
        out += significant_digits(d);
        out += 'e';
        out += std::to_string(d.exponent);
      }
      break;
    }
    case Json::Kind::array:
      out += '[';
      for (const Json& item : json.items()) {
        append_canonical(out, item);
        out += ',';
      }
      out += ']';
      break;
    case Json::Kind::object: {
      std::vector<const Json::Member*> members;
      for (const Json::Member& member : json.members()) members.push_back(&member);
      std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
      out += '{';
      for (const Json::Member* member : members) {
        append_json_string(out, member->key);
        out += ':';
        append_canonical(out, member->value);
        out += ',';
      }
      out += '}';
      break;
    }
    default:
      json.dump_to(out);
  }
}

// ---- text

std::uint64_t code_points(std::string_view text) {
  std::uint64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
  return count;
}

/// A value in a message: short.
std::string shown(const Json& json) {
  constexpr std::size_t kMax = 60;
  if (json.is_object() || json.is_array()) return std::string(json.is_object() ? "an object" : "an array");
  if (json.is_string() && json.as_string().size() > kMax)
    return Json(truncate_utf8(json.as_string(), kMax)).dump() + "...";
  // Escapes can make it longer than the string.
  return shorten(json.dump(), 2 * kMax);
}

std::string type_list(std::uint8_t types) {
  constexpr std::pair<std::uint8_t, std::string_view> kNames[] = {
      {kString, "string"}, {kNumber, "number"}, {kInteger, "integer"}, {kBoolean, "boolean"},
      {kArray, "array"},   {kObject, "object"}, {kNull, "null"}};
  std::string out;
  for (const auto& [bit, name] : kNames)
    if ((types & bit) != 0) {
      if (!out.empty()) out += " or ";
      out += name;
    }
  return out;
}

std::string plural(std::uint64_t n, std::string_view word) {
  return std::to_string(n) + " " + std::string(word) + (n == 1 ? "" : "s");
}

/// Members or items that some keyword has looked at: what unevaluatedProperties and unevaluatedItems leave
/// alone.
class Marks {
 public:
  void mark(std::size_t i, std::size_t size) {
    if (done_.empty()) done_.resize(size);
    done_[i] = true;
  }
  void mark_all(std::size_t size) { done_.assign(size, true); }
  bool has(std::size_t i) const { return i < done_.size() && done_[i]; }
  void add(const Marks& other) {
    if (done_.size() < other.done_.size()) done_.resize(other.done_.size());
    for (std::size_t i = 0; i < other.done_.size(); ++i)
      if (other.done_[i]) done_[i] = true;
  }

 private:
  std::vector<bool> done_;
};

bool type_matches(std::uint8_t types, const Json& v) {
  switch (v.kind()) {
    case Json::Kind::null:
      return (types & kNull) != 0;
    case Json::Kind::boolean:
      return (types & kBoolean) != 0;
    case Json::Kind::number:
      return (types & kNumber) != 0 || ((types & kInteger) != 0 && v.is_integer());
    case Json::Kind::string:
      return (types & kString) != 0;
    case Json::Kind::array:
      return (types & kArray) != 0;
    case Json::Kind::object:
      return (types & kObject) != 0;
  }
  return false;
}

/// One validation.
class Evaluation {
 public:
  Evaluation(const SchemaGraph& graph, std::vector<SchemaViolation>* out) : graph_(graph), out_(out) {}

  bool run(const Json& instance) { return eval(graph_.root(), instance, JsonPath(), JsonPath(), nullptr); }

 private:
  using Path = JsonPath;

  void charge(std::uint64_t work) {
    work_ += work;
    if (work_ > graph_.options().max_work)
      raise(Error(ErrorCode::resource_exhausted, "JSON Schema: validation takes too much work (limit " +
                                                     std::to_string(graph_.options().max_work) + " steps)"));
  }

  /// Records a violation where they are wanted. Always false.
  template <class Message>
  bool fail(const Path& at, const Path& schema, std::string_view keyword, Message message) {
    if (out_ != nullptr && out_->size() < graph_.options().max_violations)
      out_->push_back({at.text(), Path(schema, keyword).text(), message()});
    return false;
  }

  /// Whether to go on after a failure.
  bool wants_more() const { return out_ != nullptr && out_->size() < graph_.options().max_violations; }

  /// Evaluates without recording.
  bool quiet(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* marks) {
    auto* const out = std::exchange(out_, nullptr);
    const bool ok = eval(n, v, at, schema, marks);
    out_ = out;
    return ok;
  }

  struct Depth {
    explicit Depth(Evaluation& evaluation) : self(evaluation) {
      if (++self.depth_ > self.graph_.options().max_depth) {
        --self.depth_;
        raise(Error(ErrorCode::resource_exhausted, "JSON Schema: subschemas are nested more than " +
                                                       std::to_string(self.graph_.options().max_depth) +
                                                       " deep; a $ref may lead to itself"));
      }
    }
    ~Depth() { --self.depth_; }
    Evaluation& self;
  };

  bool eval(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* marks) {
    charge(1);
    if (n.boolean) {
      if (*n.boolean) return true;
      return fail_here(at, schema, "nothing is allowed here");
    }
    const Depth depth(*this);
    const bool enters = scope_.empty() || scope_.back() != n.resource;
    if (enters) scope_.push_back(n.resource);
    const bool ok = marks != nullptr || n.tracks() ? eval_marked(n, v, at, schema, marks)
                                                   : eval_keywords(n, v, at, schema, nullptr);
    if (enters) scope_.pop_back();
    return ok;
  }

  bool fail_here(const Path& at, const Path& schema, const char* message) {
    if (out_ != nullptr && out_->size() < graph_.options().max_violations)
      out_->push_back({at.text(), schema.text(), message});
    return false;
  }

  bool eval_marked(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* marks) {
    Marks own;
    bool ok = eval_keywords(n, v, at, schema, &own);
    if ((ok || wants_more()) && n.tracks()) ok = unevaluated(n, v, at, schema, own) && ok;
    if (ok && marks != nullptr) marks->add(own);
    return ok;
  }

  bool eval_keywords(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    bool ok = true;
    const auto step = [&](bool result) {
      ok = ok && result;
      return ok || wants_more();
    };
    if (n.types != 0 && !type_matches(n.types, v))
      return fail_type(n, v, at, schema);  // the rest would only repeat it
    if ((n.enumeration != nullptr || n.constant != nullptr) && !step(eval_values(n, v, at, schema)))
      return false;
    switch (v.kind()) {
      case Json::Kind::number:
        if (!step(eval_number(n, v, at, schema))) return false;
        break;
      case Json::Kind::string:
        if (!step(eval_string(n, v, at, schema))) return false;
        break;
      case Json::Kind::array:
        if (!step(eval_array(n, v, at, schema, own))) return false;
        break;
      case Json::Kind::object:
        if (!step(eval_object(n, v, at, schema, own))) return false;
        break;
      default:
        break;
    }
    if (n.ref != nullptr && !step(eval(*n.ref, v, at, Path(schema, "$ref"), own))) return false;
    if (n.dynamic_ref != nullptr && !step(eval(dynamic_target(n), v, at, Path(schema, "$dynamicRef"), own)))
      return false;
    if (!n.all_of.empty() && !step(eval_all_of(n, v, at, schema, own))) return false;
    if (!n.any_of.empty() && !step(eval_any_of(n, v, at, schema, own))) return false;
    if (!n.one_of.empty() && !step(eval_one_of(n, v, at, schema, own))) return false;
    if (n.not_ != nullptr && quiet(*n.not_, v, at, Path(schema, "not"), nullptr) &&
        !step(fail(at, schema, "not", [&] { return shown(v) + " is excluded by \"not\""; })))
      return false;
    if (n.if_ != nullptr && !step(eval_if(n, v, at, schema, own))) return false;
    return ok;
  }

  const SchemaNode& dynamic_target(const SchemaNode& n) const {
    if (!n.dynamic_anchor.empty())
      for (const SchemaResource* resource : scope_)
        if (const SchemaNode* found = graph_.dynamic_anchor(*resource, n.dynamic_anchor)) return *found;
    return *n.dynamic_ref;
  }

  bool fail_type(const SchemaNode& n, const Json& v, const Path& at, const Path& schema) {
    return fail(at, schema, "type", [&] {
      std::string got(to_string(v.kind()));
      if (!v.is_null() && !v.is_array() && !v.is_object()) got += " " + shown(v);
      return "expected " + type_list(n.types) + ", got " + got;
    });
  }

  bool equal(const Json& a, const Json& b) {
    charge(1 + b.size());
    return a == b;
  }

  bool eval_values(const SchemaNode& n, const Json& v, const Path& at, const Path& schema) {
    bool ok = true;
    if (n.enumeration != nullptr) {
      bool found = false;
      for (const Json& value : n.enumeration->items()) found = found || equal(v, value);
      if (!found) ok = fail(at, schema, "enum", [&] { return not_one_of(*n.enumeration, v); });
    }
    if (n.constant != nullptr && !equal(v, *n.constant))
      ok =
          fail(at, schema, "const", [&] { return "expected " + shown(*n.constant) + ", got " + shown(v); }) &&
          ok;
    return ok;
  }

  static std::string not_one_of(const Json& values, const Json& v) {
    constexpr std::size_t kShown = 12;
    std::string out = shown(v) + " is not one of ";
    for (std::size_t i = 0; i < values.size() && i < kShown; ++i)
      out += (i > 0 ? ", " : "") + shown(values.items()[i]);
    if (values.size() > kShown) out += ", ...";
    return out;
  }

  bool eval_number(const SchemaNode& n, const Json& v, const Path& at, const Path& schema) {
    bool ok = true;
    const std::string_view text = v.number_text();
    const auto check = [&](const std::string& limit, const char* keyword, bool good, const char* how) {
      if (limit.empty() || good) return;
      ok = fail(at, schema, keyword, [&] { return shown(v) + " " + how + " " + limit; });
    };
    check(n.minimum, "minimum", n.minimum.empty() || compare_numbers(text, n.minimum) >= 0,
          "is below the minimum");
    check(n.maximum, "maximum", n.maximum.empty() || compare_numbers(text, n.maximum) <= 0,
          "is above the maximum");
    check(n.exclusive_minimum, "exclusiveMinimum",
          n.exclusive_minimum.empty() || compare_numbers(text, n.exclusive_minimum) > 0, "is not above");
    check(n.exclusive_maximum, "exclusiveMaximum",
          n.exclusive_maximum.empty() || compare_numbers(text, n.exclusive_maximum) < 0, "is not below");
    check(n.multiple_of, "multipleOf", n.multiple_of.empty() || is_multiple(text, n.multiple_of),
          "is not a multiple of");
    return ok;
  }

  bool eval_string(const SchemaNode& n, const Json& v, const Path& at, const Path& schema) {
    bool ok = true;
    const std::string& text = v.as_string();
    if (n.min_length || n.max_length) {
      charge(text.size() / 64);
      const std::uint64_t length = code_points(text);
      if (n.min_length && length < *n.min_length)
        ok = fail(at, schema, "minLength", [&] {
          return shown(v) + " is too short: " + plural(length, "character") + ", at least " +
                 std::to_string(*n.min_length);
        });
      if (n.max_length && length > *n.max_length)
        ok = fail(at, schema, "maxLength", [&] {
          return shown(v) + " is too long: " + plural(length, "character") + ", at most " +
                 std::to_string(*n.max_length);
        });
    }
    if (n.pattern && !search(*n.pattern, text))
      ok = fail(at, schema, "pattern",
                [&] { return shown(v) + " does not match the pattern " + n.pattern->text; });
    if (!n.format.empty() && !has_format(n.format, text))
      ok = fail(at, schema, "format", [&] { return shown(v) + " is not a valid " + n.format; });
    return ok;
  }

  /// Backtracking is charged for, so that a costly pattern on each of many items ends in time too: tried with
  /// little effort first, as the steps that a search took cannot be asked for.
  bool search(const SchemaPattern& pattern, std::string_view text) {
    charge(4 + text.size() / 16);
    for (unsigned effort = 0; effort + 1 < EcmaRegex::kEfforts; ++effort) {
      if (const auto found = pattern.regex.search(text, effort)) return *found;
      charge(EcmaRegex::steps(effort + 1) / 16);
    }
    return pattern.regex.search(text);
  }

  bool eval_array(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    bool ok = true;
    const auto items = v.items();
    if (n.min_items && items.size() < *n.min_items)
      ok = fail(at, schema, "minItems", [&] {
        return "has " + plural(items.size(), "item") + ", at least " + std::to_string(*n.min_items) +
               " needed";
      });
    if (n.max_items && items.size() > *n.max_items)
      ok = fail(at, schema, "maxItems", [&] {
        return "has " + plural(items.size(), "item") + ", at most " + std::to_string(*n.max_items) +
               " allowed";
      });
    if (n.unique_items && items.size() > 1 && !eval_unique(items, at, schema)) ok = false;
    if (!ok && !wants_more()) return false;
    const std::size_t prefix = std::min(n.prefix_items.size(), items.size());
    for (std::size_t i = 0; i < prefix; ++i) {
      const Path list(schema, "prefixItems");
      ok = eval(*n.prefix_items[i], items[i], Path(at, i), Path(list, i), nullptr) && ok;
      if (!ok && !wants_more()) return false;
      if (own != nullptr) own->mark(i, items.size());
    }
    if (n.items != nullptr && prefix < items.size()) {
      const Path list(schema, "items");
      for (std::size_t i = prefix; i < items.size(); ++i) {
        ok = eval(*n.items, items[i], Path(at, i), list, nullptr) && ok;
        if (!ok && !wants_more()) return false;
      }
      if (own != nullptr) own->mark_all(items.size());
    }
    if (n.contains != nullptr) ok = eval_contains(n, items, at, schema, own) && ok;
    return ok;
  }

  bool eval_unique(std::span<const Json> items, const Path& at, const Path& schema) {
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::string text;
      append_canonical(text, items[i]);
      charge(1 + text.size() / 64);
      if (!seen.insert(std::move(text)).second)
        return fail(Path(at, i), schema, "uniqueItems",
                    [&] { return shown(items[i]) + " is there twice; items must differ"; });
    }
    return true;
  }

  bool eval_contains(const SchemaNode& n, std::span<const Json> items, const Path& at, const Path& schema,
                     Marks* own) {
    std::uint64_t count = 0;
    const Path path(schema, "contains");
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!quiet(*n.contains, items[i], Path(at, i), path, nullptr)) continue;
      ++count;
      if (own != nullptr) own->mark(i, items.size());
    }
    const std::uint64_t least = n.min_contains.value_or(1);
    if (count < least)
      return fail(at, schema, n.min_contains ? "minContains" : "contains", [&] {
        return plural(count, "item") + " of the wanted kind, at least " + std::to_string(least) + " needed";
      });
    if (n.max_contains && count > *n.max_contains)
      return fail(at, schema, "maxContains", [&] {
        return plural(count, "item") + " of the wanted kind, at most " + std::to_string(*n.max_contains) +
               " allowed";
      });
    return true;
  }

  bool eval_object(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    bool ok = true;
    const auto members = v.members();
    for (const std::string& name : n.required)
      if (!v.contains(name))
        ok = fail(at, schema, "required", [&] { return "the member '" + name + "' is required"; });
    if (n.min_properties && members.size() < *n.min_properties)
      ok = fail(at, schema, "minProperties", [&] {
        return "has " + plural(members.size(), "member") + ", at least " + std::to_string(*n.min_properties) +
               " needed";
      });
    if (n.max_properties && members.size() > *n.max_properties)
      ok = fail(at, schema, "maxProperties", [&] {
        return "has " + plural(members.size(), "member") + ", at most " + std::to_string(*n.max_properties) +
               " allowed";
      });
    for (const SchemaNames& one : n.dependent_required)
      if (v.contains(one.name))
        for (const std::string& name : one.needed)
          if (!v.contains(name))
            ok = fail(at, schema, "dependentRequired",
                      [&] { return "the member '" + name + "' is required beside '" + one.name + "'"; });
    if (!ok && !wants_more()) return false;
    if (!n.properties.empty() || !n.pattern_properties.empty() || n.additional_properties != nullptr ||
        n.property_names != nullptr) {
      charge(n.required.size());
      for (std::size_t i = 0; i < members.size(); ++i) {
        ok = eval_member(n, members[i], i, members.size(), at, schema, own) && ok;
        if (!ok && !wants_more()) return false;
      }
    }
    for (const SchemaMember& one : n.dependent_schemas) {
      if (!v.contains(one.name)) continue;
      const Path path(schema, "dependentSchemas");
      ok = eval(*one.node, v, at, Path(path, std::string_view(one.name)), own) && ok;
      if (!ok && !wants_more()) return false;
    }
    return ok;
  }

  bool eval_member(const SchemaNode& n, const Json::Member& member, std::size_t index, std::size_t size,
                   const Path& at, const Path& schema, Marks* own) {
    bool ok = true;
    const Path here(at, std::string_view(member.key));
    if (n.property_names != nullptr)
      ok = eval(*n.property_names, Json(member.key), here, Path(schema, "propertyNames"), nullptr);
    bool matched = false;
    charge(n.properties.size() / 16);
    if (const SchemaNode* property = n.property(member.key)) {
      matched = true;
      const Path path(schema, "properties");
      ok = eval(*property, member.value, here, Path(path, std::string_view(member.key)), nullptr) && ok;
    }
    for (const SchemaPattern& pattern : n.pattern_properties) {
      if (!search(pattern, member.key)) continue;
      matched = true;
      const Path path(schema, "patternProperties");
      ok = eval(*pattern.node, member.value, here, Path(path, std::string_view(pattern.text)), nullptr) && ok;
    }
    if (!matched && n.additional_properties != nullptr) {
      matched = true;
      if (n.additional_properties->boolean == false) {
        ok = fail(here, schema, "additionalProperties", [&] { return unknown_member(n, member.key); });
      } else {
        ok = eval(*n.additional_properties, member.value, here, Path(schema, "additionalProperties"),
                  nullptr) &&
             ok;
      }
    }
    if (matched && own != nullptr) own->mark(index, size);
    return ok;
  }

  static std::string unknown_member(const SchemaNode& n, std::string_view name) {
    std::vector<std::string_view> known;
    for (const SchemaMember& member : n.properties) known.push_back(member.name);
    return "unknown member" + did_you_mean(name, known);
  }

  bool eval_all_of(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    bool ok = true;
    const Path path(schema, "allOf");
    for (std::size_t i = 0; i < n.all_of.size(); ++i) {
      ok = eval(*n.all_of[i], v, at, Path(path, i), own) && ok;
      if (!ok && !wants_more()) return false;
    }
    return ok;
  }

  bool eval_any_of(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    const Path path(schema, "anyOf");
    bool any = false;
    for (std::size_t i = 0; i < n.any_of.size(); ++i) {
      any = quiet(*n.any_of[i], v, at, Path(path, i), own) || any;
      if (any && own == nullptr) return true;  // annotations need them all
    }
    return any || explain(n.any_of, v, at, path);
  }

  bool eval_one_of(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    const Path path(schema, "oneOf");
    std::size_t first = n.one_of.size();
    std::size_t second = n.one_of.size();
    Marks marks;
    for (std::size_t i = 0; i < n.one_of.size(); ++i) {
      if (!quiet(*n.one_of[i], v, at, Path(path, i), own != nullptr ? &marks : nullptr)) continue;
      if (first == n.one_of.size()) {
        first = i;
      } else {
        second = i;
        break;
      }
    }
    if (first == n.one_of.size()) return explain(n.one_of, v, at, path);
    if (second != n.one_of.size())
      return fail(at, schema, "oneOf", [&] {
        return shown(v) + " fits alternatives " + std::to_string(first) + " and " + std::to_string(second) +
               "; it must fit exactly one";
      });
    if (own != nullptr) own->add(marks);
    return true;
  }

  /// No alternative fits: tells about the one that was probably meant. Always false.
  bool explain(const std::vector<const SchemaNode*>& alternatives, const Json& v, const Path& at,
               const Path& path) {
    if (out_ == nullptr || !wants_more()) return false;
    auto* const out = out_;
    std::vector<SchemaViolation> best;
    std::size_t best_score = 0;
    bool tie = false;
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      std::vector<SchemaViolation> found;
      out_ = &found;
      eval(*alternatives[i], v, at, Path(path, i), nullptr);
      out_ = out;
      if (found.empty()) continue;
      // An alternative of another kind, or with another constant in it (a discriminator), was not meant; of
      // the others, the one with the fewest complaints was.
      std::size_t score = 1000;
      const std::string here = at.text();
      for (const SchemaViolation& one : found) {
        const bool is_const = one.schema_path.ends_with("/const");
        const bool is_kind = one.instance_path == here && one.schema_path.ends_with("/type");
        if (is_kind)
          score = 0;
        else if (is_const)
          score = score > 500 ? score - 500 : 1;
        else if (score > 1)
          --score;
      }
      if (best.empty() || score > best_score) {
        best = std::move(found);
        best_score = score;
        tie = false;
      } else if (score == best_score) {
        tie = true;
      }
    }
    if (best_score > 0 && !tie) {
      for (SchemaViolation& one : best)
        if (out_->size() < graph_.options().max_violations) out_->push_back(std::move(one));
      return false;
    }
    std::string message =
        shown(v) + " fits none of the " + std::to_string(alternatives.size()) + " alternatives";
    if (!best.empty()) message += "; for example: " + best.front().text();
    out_->push_back({at.text(), path.text(), std::move(message)});
    return false;
  }

  bool eval_if(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks* own) {
    if (quiet(*n.if_, v, at, Path(schema, "if"), own))
      return n.then == nullptr || eval(*n.then, v, at, Path(schema, "then"), own);
    return n.else_ == nullptr || eval(*n.else_, v, at, Path(schema, "else"), own);
  }

  bool unevaluated(const SchemaNode& n, const Json& v, const Path& at, const Path& schema, Marks& own) {
    bool ok = true;
    if (n.unevaluated_items != nullptr && v.is_array()) {
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (own.has(i)) continue;
        ok = eval(*n.unevaluated_items, v.items()[i], Path(at, i), Path(schema, "unevaluatedItems"),
                  nullptr) &&
             ok;
        if (!ok && !wants_more()) return false;
      }
      own.mark_all(v.size());
    }
    if (n.unevaluated_properties != nullptr && v.is_object()) {
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (own.has(i)) continue;
        const Json::Member& member = v.members()[i];
        const Path here(at, std::string_view(member.key));
        if (n.unevaluated_properties->boolean == false)
          ok = fail(here, schema, "unevaluatedProperties", [&] { return unknown_member(n, member.key); });
        else
          ok = eval(*n.unevaluated_properties, member.value, here, Path(schema, "unevaluatedProperties"),
                    nullptr) &&
               ok;
        if (!ok && !wants_more()) return false;
      }
      own.mark_all(v.size());
    }
    return ok;
  }

  const SchemaGraph& graph_;
  std::vector<SchemaViolation>* out_;
  std::vector<const SchemaResource*> scope_;
  std::uint64_t work_ = 0;
  unsigned depth_ = 0;
};

}  // namespace
}  // namespace detail

struct Schema::Compiled {
  detail::SchemaGraph graph;
};

std::string SchemaViolation::text() const {
  return (instance_path.empty() ? std::string("(root)") : instance_path) + ": " + message;
}

Schema::Schema(const Json& schema, SchemaOptions options)
    : compiled_(new Compiled{detail::SchemaGraph(schema, std::move(options))}) {}

std::vector<SchemaViolation> Schema::validate(const Json& instance) const {
  std::vector<SchemaViolation> out;
  detail::Evaluation(compiled_->graph, &out).run(instance);
  return out;
}

bool Schema::valid(const Json& instance) const {
  return detail::Evaluation(compiled_->graph, nullptr).run(instance);
}

void Schema::check(const Json& instance) const {
  const auto violations = validate(instance);
  if (violations.empty()) return;
  constexpr std::size_t kShown = 5;
  std::string message;
  for (std::size_t i = 0; i < violations.size() && i < kShown; ++i)
    message += (i > 0 ? "; " : "") + violations[i].text();
  if (violations.size() > kShown) message += "; and " + std::to_string(violations.size() - kShown) + " more";
  raise(Error(ErrorCode::invalid_argument, message));
}

}  // namespace beluga
