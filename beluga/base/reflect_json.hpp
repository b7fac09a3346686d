#pragma once
/// C++ structs as JSON: schema, decoding and encoding by reflection.
///
///     struct Place { std::string city; std::optional<std::string> country; int days = 3; };
///     Json schema = json_schema<Place>();          // {"type":"object","properties":{...},...}
///     Place place = from_json<Place>(json);        // throws: "/days: expected an integer, got a string"
///     Json back = to_json(place);
///
///   C++                              JSON Schema 2020-12
///   bool, integers, float, double    boolean; integer with the range of the type; number
///   std::string, char                string; string of one character
///   enum with fixed underlying type  string, one of the enumerators' names
///   std::optional<T>                 T or null, not required
///   vector, deque, list              array
///   set, unordered_set               array of unique items
///   array<T, N>                      array of exactly N
///   map<string, T>, unordered_map    object with additionalProperties
///   variant<...>                     anyOf, told apart by JSON kind; two or more structs by a "type" member
///   struct                           object, additionalProperties: false; shared or recursive ones in $defs
///   unique_ptr<T>, shared_ptr<T>     T or null, not required
///   std::chrono::duration            number of seconds
///   Json                             anything
///   Field<T, "...", Limits{...}>     T with description and limits (field.hpp)
///
/// A field is required unless it is an optional or pointer, or has a default that can be seen: for numbers,
/// bools, enums and every Field<> any default member initialiser (also 0 and false); for strings, containers
/// and variants one that is not empty; for structs when all their own fields can be left out. Defaults are
/// shown in the schema.
///
/// For types of your own, specialise JsonCodec.
/// Errors: Error{invalid_argument} that starts with the JSON Pointer of the value.

#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/field.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/reflect.hpp"

namespace beluga {

/// Where in a document: a chain of keys and indices on the stack; text is made when an error needs it.
class JsonPath {
 public:
  JsonPath() noexcept = default;
  JsonPath(const JsonPath& parent, std::string_view key) noexcept : parent_(&parent), key_(key) {}
  JsonPath(const JsonPath& parent, std::size_t index) noexcept : parent_(&parent), index_(index) {}
  /// RFC 6901: "/filters/0/name"; empty for the whole document.
  std::string text() const;
  /// Throws Error{invalid_argument, "<path>: <message>"}; the whole document is called "/".
  [[noreturn]] void fail(std::string_view message) const;
  /// fail("expected <what>, got <kind>").
  [[noreturn]] void expected(std::string_view what, const Json& got) const;

 private:
  const JsonPath* parent_ = nullptr;
  std::string_view key_{};
  std::size_t index_ = static_cast<std::size_t>(-1);
};

/// Collects the schemas of named types while one schema is derived: types met twice, or within themselves, go
/// to $defs.
class SchemaBuilder {
 public:
  SchemaBuilder();
  ~SchemaBuilder();
  SchemaBuilder(const SchemaBuilder&) = delete;
  SchemaBuilder& operator=(const SchemaBuilder&) = delete;

  /// Derives the schema of the type that `make` describes; `root_id` is its id, if it is a named type.
  Json build(Json (*make)(SchemaBuilder&), const void* root_id);
  /// The schema of a named type, or a $ref to it. `id` is unique to the type.
  Json named(const void* id, std::string_view name, Json (*make)(SchemaBuilder&));

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How T is written as JSON. Specialise it for a type of your own:
///     static Json schema(SchemaBuilder&);  static void decode(const Json&, T& out, const JsonPath&);
///     static Json encode(const T&);
template <class T>
struct JsonCodec;

namespace detail {

template <class T>
inline constexpr char kTypeTag = 0;
template <class>
inline constexpr bool kAlwaysFalse = false;

template <class T, template <class...> class Template>
inline constexpr bool kIsA = false;
template <template <class...> class Template, class... Args>
inline constexpr bool kIsA<Template<Args...>, Template> = true;
template <class T>
inline constexpr bool kIsStdArray = false;
template <class T, std::size_t N>
inline constexpr bool kIsStdArray<std::array<T, N>> = true;
template <class T>
inline constexpr bool kIsField = false;
template <class T, FixedString D, Limits L>
inline constexpr bool kIsField<Field<T, D, L>> = true;
template <class T>
inline constexpr bool kIsUniquePtr = false;
template <class T>
inline constexpr bool kIsUniquePtr<std::unique_ptr<T>> = true;

template <class T>
concept JsonInteger =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
    !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;
template <class T>
concept JsonNullable = kIsA<T, std::optional> || kIsUniquePtr<T> || kIsA<T, std::shared_ptr>;
template <class T>
concept JsonDuration = kIsA<T, std::chrono::duration> || requires {
  typename T::rep;
  typename T::period;
};
template <class T>
concept JsonMap = requires(T& map) {
  typename T::mapped_type;
  requires std::same_as<typename T::key_type, std::string>;
  map.begin();
};
template <class T>
concept JsonSet = !requires { typename T::mapped_type; } && requires(T& set) {
  requires std::same_as<typename T::key_type, typename T::value_type>;
  set.begin();
};
template <class T>
concept JsonSequence = !std::same_as<T, std::string> && requires(T& list) {
  typename T::value_type;
  list.emplace_back();
  list.begin();
};
/// Reflected as an object.
template <class T>
concept JsonStruct =
    std::is_class_v<T> && std::is_aggregate_v<T> && !kIsStdArray<T> && !std::same_as<T, std::monostate>;

/// Adds "null" to a schema.
Json nullable_schema(Json schema);
Json integer_schema(std::int64_t low, std::uint64_t high, bool bounded);
void apply_limits(Json& schema, std::string_view description, const Limits& limits);
/// A schema for the object that gets `properties`; `required` may be empty.
Json object_schema(Json properties, Json required);
/// Adds `{"type": {"const": tag}}` in front.
Json tagged_schema(Json schema, std::string_view tag);
/// "SearchArgs" -> "search_args".
std::string snake_case(std::string_view name);
/// The name of an unknown or missing member, with the known ones and the nearest.
[[noreturn]] void fail_unknown_member(const JsonPath& path, std::string_view key,
                                      std::vector<std::string_view> known);
[[noreturn]] void fail_missing_member(const JsonPath& path, std::string_view key);
[[noreturn]] void fail_enum(const JsonPath& path, const Json& got, std::vector<std::string_view> known);
std::int64_t decode_signed(const Json& json, std::int64_t low, std::int64_t high, const JsonPath& path);
std::uint64_t decode_unsigned(const Json& json, std::uint64_t high, const JsonPath& path);
double decode_double(const Json& json, const JsonPath& path);

/// Which fields of a struct a default-initialised object leaves untouched: two objects are made on memory
/// filled with two different patterns, and what shows the pattern in both was never written. Looked at
/// through unsigned char, out of line. Only asked for scalars.
unsigned char* poisoned(void* storage, std::size_t size, unsigned char pattern) noexcept;
bool shows_pattern(const void* field, unsigned char pattern) noexcept;
template <class T>
std::array<bool, reflect::kMaxFields> untouched_by_default_initialization() {
  std::array<bool, reflect::kMaxFields> untouched{};
  untouched.fill(true);
  for (const unsigned char pattern : {static_cast<unsigned char>(0xA5), static_cast<unsigned char>(0x5A)}) {
    struct Storage {
      alignas(T) unsigned char bytes[sizeof(T)];
    };
    auto storage = std::make_unique<Storage>();
    T* object = ::new (static_cast<void*>(poisoned(storage->bytes, sizeof(T), pattern))) T;
    std::size_t i = 0;
    reflect::apply_fields(*object, [&](auto&... fields) {
      ((untouched[i] = untouched[i] && shows_pattern(std::addressof(fields), pattern), ++i), ...);
    });
    object->~T();
  }
  return untouched;
}

}  // namespace detail

/// The JSON Schema (2020-12) of T. Derive once and keep it.
template <class T>
Json json_schema() {
  return SchemaBuilder().build([](SchemaBuilder& builder) { return JsonCodec<T>::schema(builder); },
                               &detail::kTypeTag<T>);
}

/// Decodes `json`. Unknown members are errors. `path` is where `json` stands in its document.
template <class T>
T from_json(const Json& json, const JsonPath& path = {}) {
  T out{};
  JsonCodec<T>::decode(json, out, path);
  return out;
}

/// Types with a JsonCodec of their own or one by reflection; not those with a to_json() elsewhere.
template <class T>
concept JsonEncodable = !requires { JsonCodec<T>::kUnsupported; };

template <JsonEncodable T>
Json to_json(const T& value) {
  return JsonCodec<T>::encode(value);
}

// ---- the codecs
// ----------------------------------------------------------------------------------------------------

template <class T>
struct JsonCodec {
  static constexpr bool kUnsupported = true;
  static constexpr bool check() {
    static_assert(!std::is_pointer_v<T>,
                  "beluga: a raw pointer has no JSON form; hold a value, std::optional or std::unique_ptr");
    static_assert(!std::is_same_v<T, std::string_view>,
                  "beluga: a string_view field would dangle; use std::string");
    static_assert(!std::is_union_v<T>, "beluga: a union has no JSON form; use std::variant");
    constexpr bool kMap = requires { typename T::mapped_type; };
    static_assert(!kMap,
                  "beluga: a JSON object has strings as keys: use std::string as the map's key, or a "
                  "vector of structs");
    static_assert(
        std::is_pointer_v<T> || std::is_same_v<T, std::string_view> || std::is_union_v<T> || kMap,
        "beluga: this type has no JSON form; make it a plain aggregate (no constructor, no private field, no "
        "virtual function), or specialise beluga::JsonCodec for it");
    return true;
  }
  static Json schema(SchemaBuilder&) { return check() ? Json() : Json(); }
  static void decode(const Json&, T&, const JsonPath&) { static_cast<void>(check()); }
  static Json encode(const T&) { return check() ? Json() : Json(); }
};

template <>
struct JsonCodec<bool> {
  static Json schema(SchemaBuilder&) { return Json::object({{"type", "boolean"}}); }
  static void decode(const Json& json, bool& out, const JsonPath& path) {
    if (!json.is_bool()) path.expected("a boolean", json);
    out = json.as_bool();
  }
  static Json encode(const bool& value) { return value; }
};

template <detail::JsonInteger T>
struct JsonCodec<T> {
  using Range = std::numeric_limits<T>;
  static Json schema(SchemaBuilder&) {
    // 64 bits exceed what many readers of JSON can hold: a bound there would only confuse.
    return detail::integer_schema(static_cast<std::int64_t>(Range::min()),
                                  static_cast<std::uint64_t>(Range::max()), sizeof(T) < 8);
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    if constexpr (std::is_signed_v<T>)
      out = static_cast<T>(detail::decode_signed(json, Range::min(), Range::max(), path));
    else
      out = static_cast<T>(detail::decode_unsigned(json, Range::max(), path));
  }
  static Json encode(const T& value) { return value; }
};

template <std::floating_point T>
struct JsonCodec<T> {
  static Json schema(SchemaBuilder&) { return Json::object({{"type", "number"}}); }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    out = static_cast<T>(detail::decode_double(json, path));
  }
  static Json encode(const T& value) { return static_cast<double>(value); }
};

template <>
struct JsonCodec<std::string> {
  static Json schema(SchemaBuilder&) { return Json::object({{"type", "string"}}); }
  static void decode(const Json& json, std::string& out, const JsonPath& path) {
    if (!json.is_string()) path.expected("a string", json);
    out = json.as_string();
  }
  static Json encode(const std::string& value) { return value; }
};

template <>
struct JsonCodec<char> {
  static Json schema(SchemaBuilder&) {
    return Json::object({{"type", "string"}, {"minLength", 1}, {"maxLength", 1}});
  }
  static void decode(const Json& json, char& out, const JsonPath& path) {
    if (!json.is_string() || json.as_string().size() != 1)
      path.expected("a string of one ASCII character", json);
    out = json.as_string()[0];
  }
  static Json encode(const char& value) { return std::string(1, value); }
};

template <>
struct JsonCodec<Json> {
  static Json schema(SchemaBuilder&) { return Json::object(); }
  static void decode(const Json& json, Json& out, const JsonPath&) { out = json; }
  static Json encode(const Json& value) { return value; }
};

template <>
struct JsonCodec<std::monostate> {
  static Json schema(SchemaBuilder&) { return Json::object({{"type", "null"}}); }
  static void decode(const Json& json, std::monostate&, const JsonPath& path) {
    if (!json.is_null()) path.expected("null", json);
  }
  static Json encode(const std::monostate&) { return {}; }
};

template <class T>
  requires std::is_enum_v<T>
struct JsonCodec<T> {
  static std::vector<std::string_view> names() {
    std::vector<std::string_view> all;
    reflect::for_each_enumerator<T>([&](T, std::string_view name) { all.push_back(name); });
    return all;
  }
  static Json schema(SchemaBuilder&) {
    Json values = Json::array();
    for (const std::string_view name : names()) values.push_back(name);
    return Json::object({{"type", "string"}, {"enum", std::move(values)}});
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    const auto value = json.is_string() ? reflect::enum_value<T>(json.as_string()) : std::nullopt;
    if (!value) detail::fail_enum(path, json, names());
    out = *value;
  }
  static Json encode(const T& value) { return reflect::enum_name(value); }
};

template <detail::JsonNullable T>
struct JsonCodec<T> {
  using Inner = std::remove_cvref_t<decltype(*std::declval<T&>())>;
  static Json schema(SchemaBuilder& builder) {
    return detail::nullable_schema(JsonCodec<Inner>::schema(builder));
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    if (json.is_null()) {
      out.reset();
      return;
    }
    Inner inner{};
    JsonCodec<Inner>::decode(json, inner, path);
    if constexpr (detail::kIsUniquePtr<T>)
      out = std::make_unique<Inner>(std::move(inner));
    else if constexpr (detail::kIsA<T, std::shared_ptr>)
      out = std::make_shared<Inner>(std::move(inner));
    else
      out.emplace(std::move(inner));
  }
  static Json encode(const T& value) { return value ? JsonCodec<Inner>::encode(*value) : Json(); }
};

template <detail::JsonDuration T>
struct JsonCodec<T> {
  static Json schema(SchemaBuilder&) {
    return Json::object({{"type", "number"}, {"description", "seconds"}});
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    using Period = typename T::period;
    const double ticks = detail::decode_double(json, path) * static_cast<double>(Period::den) /
                         static_cast<double>(Period::num);
    if constexpr (std::floating_point<typename T::rep>) {
      out = T(static_cast<typename T::rep>(ticks));
    } else {
      // 2^63 is the first double above the range; the comparison is exact.
      if (!(std::abs(ticks) < static_cast<double>(std::numeric_limits<typename T::rep>::max())))
        path.fail("this duration is out of range");
      out = T(static_cast<typename T::rep>(std::llround(ticks)));
    }
  }
  static Json encode(const T& value) {
    const double seconds = std::chrono::duration<double>(value).count();
    if (seconds == std::floor(seconds) && std::abs(seconds) < 1e15) return static_cast<std::int64_t>(seconds);
    return seconds;
  }
};

template <class T>
  requires(detail::JsonSequence<T> || detail::JsonSet<T>)
struct JsonCodec<T> {
  using Item = typename T::value_type;
  static Json schema(SchemaBuilder& builder) {
    Json schema = Json::object({{"type", "array"}, {"items", JsonCodec<Item>::schema(builder)}});
    if constexpr (detail::JsonSet<T>) schema["uniqueItems"] = true;
    return schema;
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    if (!json.is_array()) path.expected("an array", json);
    out.clear();
    std::size_t index = 0;
    for (const Json& item : json.items()) {
      const JsonPath at(path, index++);
      Item value{};
      JsonCodec<Item>::decode(item, value, at);
      if constexpr (detail::JsonSet<T>) {
        if (!out.insert(std::move(value)).second) at.fail("this item is there twice");
      } else {
        out.push_back(std::move(value));
      }
    }
  }
  static Json encode(const T& value) {
    Json out = Json::array();
    for (const auto& item : value) out.push_back(JsonCodec<Item>::encode(item));
    return out;
  }
};

template <class Item, std::size_t N>
struct JsonCodec<std::array<Item, N>> {
  static Json schema(SchemaBuilder& builder) {
    return Json::object(
        {{"type", "array"}, {"items", JsonCodec<Item>::schema(builder)}, {"minItems", N}, {"maxItems", N}});
  }
  static void decode(const Json& json, std::array<Item, N>& out, const JsonPath& path) {
    if (!json.is_array() || json.size() != N)
      path.expected("an array of " + std::to_string(N) + " items", json);
    for (std::size_t i = 0; i < N; ++i) JsonCodec<Item>::decode(json.items()[i], out[i], JsonPath(path, i));
  }
  static Json encode(const std::array<Item, N>& value) {
    Json out = Json::array();
    for (const Item& item : value) out.push_back(JsonCodec<Item>::encode(item));
    return out;
  }
};

template <detail::JsonMap T>
struct JsonCodec<T> {
  using Mapped = typename T::mapped_type;
  static Json schema(SchemaBuilder& builder) {
    return Json::object({{"type", "object"}, {"additionalProperties", JsonCodec<Mapped>::schema(builder)}});
  }
  static void decode(const Json& json, T& out, const JsonPath& path) {
    if (!json.is_object()) path.expected("an object", json);
    out.clear();
    for (const Json::Member& member : json.members()) {
      Mapped value{};
      JsonCodec<Mapped>::decode(member.value, value, JsonPath(path, std::string_view(member.key)));
      out.insert_or_assign(member.key, std::move(value));
    }
  }
  static Json encode(const T& value) {
    Json out = Json::object();
    for (const auto& [key, mapped] : value) out[key] = JsonCodec<Mapped>::encode(mapped);
    return out;
  }
};

template <class T, FixedString Description, Limits Rules>
struct JsonCodec<Field<T, Description, Rules>> {
  static Json schema(SchemaBuilder& builder) {
    Json schema = JsonCodec<T>::schema(builder);
    detail::apply_limits(schema, Description.view(), Field<T, Description, Rules>::limits());
    return schema;
  }
  static void decode(const Json& json, Field<T, Description, Rules>& out, const JsonPath& path) {
    T value{};
    JsonCodec<T>::decode(json, value, path);
    out = std::move(value);
  }
  static Json encode(const Field<T, Description, Rules>& value) { return JsonCodec<T>::encode(*value); }
};

namespace detail {

enum class JsonShape : std::uint8_t { null, boolean, integer, real, string, array, object, any };

template <class T>
constexpr JsonShape shape_of() {
  if constexpr (kIsField<T>)
    return shape_of<typename T::value_type>();
  else if constexpr (std::is_same_v<T, std::monostate>)
    return JsonShape::null;
  else if constexpr (std::is_same_v<T, bool>)
    return JsonShape::boolean;
  else if constexpr (JsonInteger<T>)
    return JsonShape::integer;
  else if constexpr (std::floating_point<T> || JsonDuration<T>)
    return JsonShape::real;
  else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, char> || std::is_enum_v<T>)
    return JsonShape::string;
  else if constexpr (JsonMap<T> || JsonStruct<T>)
    return JsonShape::object;
  else if constexpr (JsonSequence<T> || JsonSet<T> || kIsStdArray<T>)
    return JsonShape::array;
  else
    return JsonShape::any;
}
constexpr bool fits_shape(JsonShape shape, const Json& json) {
  switch (shape) {
    case JsonShape::null:
      return json.is_null();
    case JsonShape::boolean:
      return json.is_bool();
    case JsonShape::integer:
      return json.is_integer();
    case JsonShape::real:
      return json.is_number();
    case JsonShape::string:
      return json.is_string();
    case JsonShape::array:
      return json.is_array();
    case JsonShape::object:
      return json.is_object();
    case JsonShape::any:
      return true;
  }
  return false;
}

template <class... Ts>
constexpr bool shapes_differ() {
  const std::array shapes{shape_of<Ts>()...};
  for (std::size_t i = 0; i < shapes.size(); ++i)
    for (std::size_t j = i + 1; j < shapes.size(); ++j)
      if (shapes[i] == shapes[j] && shapes[i] != JsonShape::object) return false;
  return true;
}
template <class T, std::size_t... I>
constexpr bool has_field_named_impl([[maybe_unused]] std::string_view name, std::index_sequence<I...>) {
  return ((reflect::field_name<T, I>() == name) || ...);
}
template <class T>
constexpr bool has_field_named(std::string_view name) {
  if constexpr (JsonStruct<T>)
    return has_field_named_impl<T>(name, std::make_index_sequence<reflect::field_count<T>()>{});
  else
    return false;
}

}  // namespace detail

template <class... Ts>
struct JsonCodec<std::variant<Ts...>> {
  using Variant = std::variant<Ts...>;
  static constexpr std::size_t kObjects =
      (std::size_t{0} + ... + (detail::shape_of<Ts>() == detail::JsonShape::object ? 1 : 0));
  static constexpr bool kTagged = kObjects > 1;
  static_assert(detail::shapes_differ<Ts...>(),
                "beluga: two alternatives of this std::variant look the same in JSON (two strings, two "
                "arrays, ...); wrap "
                "them in structs, which are told apart by their names");
  static_assert(
      !kTagged || ((detail::shape_of<Ts>() != detail::JsonShape::object || detail::JsonStruct<Ts>) && ...),
      "beluga: a map beside another object in a std::variant cannot be told apart; wrap it in a struct");
  static_assert(!kTagged || !(detail::has_field_named<Ts>("type") || ...),
                "beluga: the structs of a std::variant get a member \"type\" to tell them apart; rename the "
                "field `type`");

  template <class T>
  static std::string tag() {
    return detail::snake_case(reflect::type_name<T>());
  }
  template <class T>
  static Json alternative(SchemaBuilder& builder) {
    if constexpr (kTagged && detail::JsonStruct<T>)
      return detail::tagged_schema(JsonCodec<T>::plain_schema(builder), tag<T>());
    else
      return JsonCodec<T>::schema(builder);
  }
  /// A name of its own, so that a recursive variant ends in a $ref.
  static Json schema(SchemaBuilder& builder) {
    std::string name;
    ((name += name.empty() ? "" : "_or_", name += reflect::type_name<Ts>()), ...);
    return builder.named(&detail::kTypeTag<Variant>, name, [](SchemaBuilder& b) {
      return Json::object({{"anyOf", Json::array({alternative<Ts>(b)...})}});
    });
  }
  static void decode(const Json& json, Variant& out, const JsonPath& path) {
    if (kTagged && json.is_object()) {
      const std::string_view type = json.string_or("type", "");
      const bool known =
          ((detail::JsonStruct<Ts> && type == tag<Ts>() && decode_as<Ts>(json, out, path)) || ...);
      if (!known)
        detail::fail_enum(JsonPath(path, "type"), json.find("type") ? *json.find("type") : Json(),
                          tags_view());
      return;
    }
    // Integers before reals: an integral number fits both.
    const bool done =
        ((detail::shape_of<Ts>() != detail::JsonShape::real &&
          detail::shape_of<Ts>() != detail::JsonShape::any &&
          detail::fits_shape(detail::shape_of<Ts>(), json) && decode_as<Ts>(json, out, path)) ||
         ...) ||
        ((detail::fits_shape(detail::shape_of<Ts>(), json) && decode_as<Ts>(json, out, path)) || ...);
    if (!done) path.expected("another kind of value", json);
  }
  static Json encode(const Variant& value) {
    return std::visit(
        []<class T>(const T& alternative) {
          Json out = JsonCodec<T>::encode(alternative);
          if constexpr (kTagged && detail::JsonStruct<T>) {
            Json with_type = Json::object({{"type", tag<T>()}});
            for (auto& member : out.members()) with_type[member.key] = std::move(member.value);
            return with_type;
          } else {
            return out;
          }
        },
        value);
  }

 private:
  static std::vector<std::string_view> tags_view() {
    static const std::vector<std::string> all{tag<Ts>()...};
    std::vector<std::string_view> out;
    const std::array objects{detail::JsonStruct<Ts>...};
    for (std::size_t i = 0; i < all.size(); ++i)
      if (objects[i]) out.push_back(all[i]);
    return out;
  }
  template <class T>
  static bool decode_as(const Json& json, Variant& out, const JsonPath& path) {
    T value{};
    if constexpr (kTagged && detail::JsonStruct<T>)
      JsonCodec<T>::decode_tagged(json, value, path);
    else
      JsonCodec<T>::decode(json, value, path);
    out.template emplace<T>(std::move(value));
    return true;
  }
};

template <detail::JsonStruct T>
struct JsonCodec<T> {
  static constexpr std::size_t kFields = reflect::field_count<T>();

  static Json schema(SchemaBuilder& builder) {
    return builder.named(&detail::kTypeTag<T>, reflect::type_name<T>(), &plain_schema);
  }
  static void decode(const Json& json, T& out, const JsonPath& path) { decode_members(json, out, path, ""); }
  /// As an alternative of a variant: the member "type" is the variant's.
  static void decode_tagged(const Json& json, T& out, const JsonPath& path) {
    decode_members(json, out, path, "type");
  }
  static Json encode(const T& value) {
    Json out = Json::object();
    reflect::for_each_field(value, [&](std::string_view name, const auto& field) {
      using F = std::remove_cvref_t<decltype(field)>;
      if constexpr (detail::JsonNullable<F>) {
        if (!field) return;  // as it was when it was not given
      }
      out[name] = JsonCodec<F>::encode(field);
    });
    return out;
  }

  /// Whether each field may be left out.
  static const std::array<bool, reflect::kMaxFields>& omittable() {
    static const std::array<bool, reflect::kMaxFields> result = [] {
      static_assert(std::is_default_constructible_v<T>,
                    "beluga: every field of an argument struct must be default constructible");
      std::array<bool, reflect::kMaxFields> out{};
      const auto untouched = detail::untouched_by_default_initialization<T>();
      const T defaults{};
      std::size_t i = 0;
      reflect::for_each_field(defaults, [&](std::string_view, const auto& field) {
        out[i] = may_be_omitted(field, !untouched[i]);
        ++i;
      });
      return out;
    }();
    return result;
  }

  static Json plain_schema(SchemaBuilder& builder) {
    static_assert(kFields <= reflect::kMaxFields);  // here, for its messages to come before others
    Json properties = Json::object();
    Json required = Json::array();
    const T defaults{};
    std::size_t i = 0;
    reflect::for_each_field(defaults, [&](std::string_view name, const auto& field) {
      using F = std::remove_cvref_t<decltype(field)>;
      Json property = JsonCodec<F>::schema(builder);
      if (!omittable()[i]) {
        required.push_back(name);
      } else if constexpr (!detail::JsonNullable<F>) {
        if (shows_default(field)) property["default"] = JsonCodec<F>::encode(field);
      }
      properties[name] = std::move(property);
      ++i;
    });
    return detail::object_schema(std::move(properties), std::move(required));
  }

 private:
  template <class F>
  static bool may_be_omitted(const F& field, bool touched) {
    if constexpr (detail::kIsField<F>)
      return field.given() || F::limits().optional || detail::JsonNullable<typename F::value_type>;
    else if constexpr (detail::JsonNullable<F>)
      return true;
    else if constexpr (std::is_arithmetic_v<F> || std::is_enum_v<F>)
      return touched;
    else if constexpr (std::is_same_v<F, Json>)
      return !field.is_null();
    else if constexpr (detail::JsonStruct<F>)
      return all_omittable<F>();
    else if constexpr (requires { field.empty(); } && !detail::kIsStdArray<F>)
      return !field.empty();
    else
      return !(JsonCodec<F>::encode(field) == JsonCodec<F>::encode(F{}));
  }
  template <class F>
  static bool all_omittable() {
    for (std::size_t i = 0; i < JsonCodec<F>::kFields; ++i)
      if (!JsonCodec<F>::omittable()[i]) return false;
    return true;
  }
  template <class F>
  static bool shows_default(const F& field) {
    if constexpr (detail::kIsField<F>) {
      if constexpr (detail::JsonNullable<typename F::value_type>)
        return static_cast<bool>(*field);
      else
        return field.given();
    } else {
      return !detail::JsonStruct<F>;
    }
  }
  static std::vector<std::string_view> names() {
    std::vector<std::string_view> all;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (all.push_back(reflect::field_name<T, I>()), ...);
    }(std::make_index_sequence<kFields>{});
    return all;
  }
  static void decode_members(const Json& json, T& out, const JsonPath& path, std::string_view ignored) {
    if (!json.is_object()) path.expected("an object", json);
    std::size_t found = 0;
    std::size_t i = 0;
    reflect::for_each_field(out, [&](std::string_view name, auto& field) {
      using F = std::remove_cvref_t<decltype(field)>;
      if (const Json* member = json.find(name)) {
        ++found;
        JsonCodec<F>::decode(*member, field, JsonPath(path, name));
      } else if (!omittable()[i]) {
        detail::fail_missing_member(path, name);
      }
      ++i;
    });
    if (found == json.size()) return;
    const auto known = names();
    for (const Json::Member& member : json.members()) {
      bool is_known = member.key == ignored;
      for (const std::string_view name : known) is_known = is_known || name == member.key;
      if (!is_known) detail::fail_unknown_member(path, member.key, known);
    }
  }
};

}  // namespace beluga
