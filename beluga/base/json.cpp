#include "beluga/base/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <new>

#include "beluga/base/error.hpp"
#include "beluga/base/internal/json_number.hpp"

namespace beluga {
namespace {

[[noreturn]] void wrong_kind(std::string_view wanted, Json::Kind found) {
  raise(Error(ErrorCode::invalid_argument,
              "expected " + std::string(wanted) + ", found " + std::string(to_string(found))));
}

/// `text` for a message: not longer than a reader wants.
std::string shown(std::string_view text) {
  constexpr std::size_t kLimit = 60;
  std::string out;
  append_json_string(out, text.substr(0, kLimit));
  if (text.size() > kLimit) out += "...";
  return out;
}

}  // namespace

std::string_view to_string(Json::Kind kind) noexcept {
  switch (kind) {
    case Json::Kind::null:
      return "null";
    case Json::Kind::boolean:
      return "boolean";
    case Json::Kind::number:
      return "number";
    case Json::Kind::string:
      return "string";
    case Json::Kind::array:
      return "array";
    case Json::Kind::object:
      return "object";
  }
  return "null";
}

Json::Json(double value) {
  if (!std::isfinite(value))
    raise(Error(ErrorCode::invalid_argument, "JSON has no form for NaN and infinity; use null or a string"));
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  ::new (&string_) std::string(text, end);
  kind_ = Kind::number;
}
Json::Json(std::string value) : kind_(Kind::string), string_(std::move(value)) {}
Json::Json(std::string_view value) : kind_(Kind::string), string_(value) {}
Json::Json(const char* value) : kind_(Kind::string), string_(value) {}

Json::Json(const Json& other) {
  switch (other.kind_) {
    case Kind::null:
      break;
    case Kind::boolean:
      boolean_ = other.boolean_;
      break;
    case Kind::number:
    case Kind::string:
      ::new (&string_) std::string(other.string_);
      break;
    case Kind::array:
      ::new (&array_) std::vector<Json>(other.array_);
      break;
    case Kind::object:
      ::new (&object_) std::vector<Member>(other.object_);
      break;
  }
  kind_ = other.kind_;
}
Json::Json(Json&& other) noexcept {
  take(other);
}
Json& Json::operator=(const Json& other) {
  if (this != &other) *this = Json(other);
  return *this;
}
Json& Json::operator=(Json&& other) noexcept {
  if (this != &other) {
    // `other` may be a part of this value (json = std::move(json["child"])): take it out before destroying
    // the rest.
    Json held(std::move(other));
    destroy();
    take(held);
  }
  return *this;
}
Json::~Json() {
  destroy();
}

/// Precondition: this is null. Leaves `other` null.
void Json::take(Json& other) noexcept {
  switch (other.kind_) {
    case Kind::null:
      return;
    case Kind::boolean:
      boolean_ = other.boolean_;
      break;
    case Kind::number:
    case Kind::string:
      ::new (&string_) std::string(std::move(other.string_));
      break;
    case Kind::array:
      ::new (&array_) std::vector<Json>(std::move(other.array_));
      break;
    case Kind::object:
      ::new (&object_) std::vector<Member>(std::move(other.object_));
      break;
  }
  kind_ = other.kind_;
  other.destroy();
}

void Json::destroy() noexcept {
  switch (kind_) {
    case Kind::null:
    case Kind::boolean:
      break;
    case Kind::number:
    case Kind::string:
      string_.~basic_string();
      break;
    case Kind::array:
      array_.~vector();
      break;
    case Kind::object:
      object_.~vector();
      break;
  }
  kind_ = Kind::null;
  nothing_ = nullptr;
}

void Json::set_integer(std::int64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  ::new (&string_) std::string(text, end);
  kind_ = Kind::number;
}

void Json::set_unsigned(std::uint64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  ::new (&string_) std::string(text, end);
  kind_ = Kind::number;
}

Json Json::array(std::vector<Json> items) {
  Json out;
  ::new (&out.array_) std::vector<Json>(std::move(items));
  out.kind_ = Kind::array;
  return out;
}

Json Json::object(std::initializer_list<Member> members) {
  return object(std::vector<Member>(members));
}

Json Json::object(std::vector<Member> members) {
  const auto twice = [](std::string_view key) {
    raise(Error(ErrorCode::invalid_argument, "Json::object: the key " + shown(key) + " is given twice"));
  };
  if (members.size() <= detail::kFewKeys) {
    for (std::size_t i = 1; i < members.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (members[i].key == members[j].key) twice(members[i].key);
  } else {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const Member& member : members) keys.emplace_back(member.key);
    std::sort(keys.begin(), keys.end());
    const auto same = std::adjacent_find(keys.begin(), keys.end());
    if (same != keys.end()) twice(*same);
  }
  Json out;
  ::new (&out.object_) std::vector<Member>(std::move(members));
  out.kind_ = Kind::object;
  return out;
}

Json Json::number(std::string_view text) {
  if (text.empty() || detail::json_number_length(text) != text.size())
    raise(Error(ErrorCode::invalid_argument, shown(text) + " is not a JSON number"));
  Json out;
  ::new (&out.string_) std::string(text);
  out.kind_ = Kind::number;
  return out;
}

bool Json::is_integer() const noexcept {
  if (kind_ != Kind::number) return false;
  const detail::Decimal value = detail::decimal(string_);
  return value.digits == 0 || value.exponent >= 0;
}

bool Json::as_bool() const {
  if (kind_ != Kind::boolean) wrong_kind("boolean", kind_);
  return boolean_;
}

std::int64_t Json::as_int() const {
  if (kind_ != Kind::number) wrong_kind("integer", kind_);
  std::int64_t value = 0;
  const char* end = string_.data() + string_.size();
  if (const auto read = std::from_chars(string_.data(), end, value);
      read.ec == std::errc{} && read.ptr == end)
    return value;
  const detail::Decimal exact = detail::decimal(string_);
  const auto magnitude = detail::magnitude(exact);
  const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!magnitude || *magnitude > limit + (exact.negative ? 1U : 0U))
    raise(Error(ErrorCode::invalid_argument, "expected an integer of 64 bits, found " + shown(string_)));
  return exact.negative ? static_cast<std::int64_t>(~*magnitude + 1U) : static_cast<std::int64_t>(*magnitude);
}

std::uint64_t Json::as_uint() const {
  if (kind_ != Kind::number) wrong_kind("unsigned integer", kind_);
  const detail::Decimal exact = detail::decimal(string_);
  const auto magnitude = detail::magnitude(exact);
  if (!magnitude || exact.negative)
    raise(Error(ErrorCode::invalid_argument,
                "expected an unsigned integer of 64 bits, found " + shown(string_)));
  return *magnitude;
}

double Json::as_double() const {
  if (kind_ != Kind::number) wrong_kind("number", kind_);
  double value = 0;
  const auto read = std::from_chars(string_.data(), string_.data() + string_.size(), value);
  if (read.ec == std::errc::result_out_of_range) {
    // from_chars says the same for both ends; only the large one is an error.
    const detail::Decimal exact = detail::decimal(string_);
    if (exact.exponent + static_cast<std::int64_t>(exact.digits) > 0)
      raise(Error(ErrorCode::invalid_argument,
                  "the number " + shown(string_) + " is beyond the range of a double"));
    return exact.negative ? -0.0 : 0.0;
  }
  return value;
}

const std::string& Json::as_string() const {
  if (kind_ != Kind::string) wrong_kind("string", kind_);
  return string_;
}

std::string_view Json::number_text() const {
  if (kind_ != Kind::number) wrong_kind("number", kind_);
  return string_;
}

std::size_t Json::size() const noexcept {
  if (kind_ == Kind::array) return array_.size();
  if (kind_ == Kind::object) return object_.size();
  return 0;
}

std::span<const Json> Json::items() const noexcept {
  return kind_ == Kind::array ? std::span<const Json>(array_) : std::span<const Json>();
}
std::span<Json> Json::items() noexcept {
  return kind_ == Kind::array ? std::span<Json>(array_) : std::span<Json>();
}

const Json& Json::at(std::size_t index) const {
  if (kind_ != Kind::array) wrong_kind("array", kind_);
  if (index >= array_.size())
    raise(Error(ErrorCode::invalid_argument, "expected an array with an item " + std::to_string(index) +
                                                 ", found one of " + std::to_string(array_.size())));
  return array_[index];
}

Json& Json::at(std::size_t index) {
  return const_cast<Json&>(std::as_const(*this).at(index));
}

Json& Json::push_back(Json value) {
  if (kind_ == Kind::null) *this = array();
  if (kind_ != Kind::array) wrong_kind("array", kind_);
  return array_.emplace_back(std::move(value));
}

std::span<const Json::Member> Json::members() const noexcept {
  return kind_ == Kind::object ? std::span<const Member>(object_) : std::span<const Member>();
}
std::span<Json::Member> Json::members() noexcept {
  return kind_ == Kind::object ? std::span<Member>(object_) : std::span<Member>();
}

const Json* Json::find(std::string_view key) const noexcept {
  for (const Member& member : members())
    if (member.key == key) return &member.value;
  return nullptr;
}
Json* Json::find(std::string_view key) noexcept {
  return const_cast<Json*>(static_cast<const Json&>(*this).find(key));
}

const Json& Json::at(std::string_view key) const {
  if (kind_ != Kind::object) wrong_kind("object", kind_);
  const Json* found = find(key);
  if (found == nullptr) {
    std::string message = "expected an object with the member " + shown(key) + ", found ";
    if (object_.empty()) message += "an empty one";
    constexpr std::size_t kShown = 8;
    for (std::size_t i = 0; i < object_.size() && i < kShown; ++i)
      message.append(i == 0 ? "" : ", ").append(shown(object_[i].key));
    if (object_.size() > kShown) message += ", ...";
    raise(Error(ErrorCode::invalid_argument, std::move(message)));
  }
  return *found;
}

Json& Json::operator[](std::string_view key) {
  if (kind_ == Kind::null) *this = object(std::vector<Member>{});
  if (kind_ != Kind::object) wrong_kind("object", kind_);
  if (Json* found = find(key)) return *found;
  return object_.emplace_back(Member{std::string(key), Json()}).value;
}

bool Json::erase(std::string_view key) {
  if (kind_ != Kind::object) return false;
  const auto at = std::find_if(object_.begin(), object_.end(), [&](const Member& m) { return m.key == key; });
  if (at == object_.end()) return false;
  object_.erase(at);
  return true;
}

std::string_view Json::string_or(std::string_view key, std::string_view fallback) const noexcept {
  const Json* found = find(key);
  return found != nullptr && found->is_string() ? std::string_view(found->string_) : fallback;
}

std::int64_t Json::int_or(std::string_view key, std::int64_t fallback) const noexcept {
  const Json* found = find(key);
  if (found == nullptr || !found->is_number()) return fallback;
  const detail::Decimal exact = detail::decimal(found->string_);
  const auto magnitude = detail::magnitude(exact);
  const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!magnitude || *magnitude > limit + (exact.negative ? 1U : 0U)) return fallback;
  return exact.negative ? static_cast<std::int64_t>(~*magnitude + 1U) : static_cast<std::int64_t>(*magnitude);
}

double Json::double_or(std::string_view key, double fallback) const noexcept {
  const Json* found = find(key);
  if (found == nullptr || !found->is_number()) return fallback;
  double value = 0;
  const std::string& text = found->string_;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc{} ? value : fallback;
}

bool Json::bool_or(std::string_view key, bool fallback) const noexcept {
  const Json* found = find(key);
  return found != nullptr && found->is_bool() ? found->boolean_ : fallback;
}

const Json* Json::pointer(std::string_view path) const noexcept {
  const Json* here = this;
  while (!path.empty()) {
    if (path.front() != '/') return nullptr;
    path.remove_prefix(1);
    const std::string_view token = path.substr(0, path.find('/'));
    path.remove_prefix(token.size());
    if (here->kind_ == Kind::array) {
      // Section 4: digits without leading zeros; "-" is the element after the last, which is never there.
      std::size_t index = 0;
      const auto read = std::from_chars(token.data(), token.data() + token.size(), index);
      if (token.empty() || read.ec != std::errc{} || read.ptr != token.data() + token.size()) return nullptr;
      if ((token.size() > 1 && token.front() == '0') || index >= here->array_.size()) return nullptr;
      here = &here->array_[index];
      continue;
    }
    // Compared escape by escape, so that nothing is allocated.
    const auto names = [token](std::string_view key) {
      std::size_t i = 0;
      for (std::size_t t = 0; t < token.size(); ++t, ++i) {
        char c = token[t];
        if (c == '~') {
          if (++t == token.size() || (token[t] != '0' && token[t] != '1')) return false;
          c = token[t] == '0' ? '~' : '/';
        }
        if (i == key.size() || key[i] != c) return false;
      }
      return i == key.size();
    };
    const Json* next = nullptr;
    for (const Member& member : here->members())
      if (names(member.key)) {
        next = &member.value;
        break;
      }
    if (next == nullptr) return nullptr;
    here = next;
  }
  return here;
}

bool Json::equal(const Json& a, const Json& b) noexcept {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return a.boolean_ == b.boolean_;
    case Kind::number:
      return detail::same_number(a.string_, b.string_);
    case Kind::string:
      return a.string_ == b.string_;
    case Kind::array:
      return a.array_ == b.array_;
    case Kind::object:
      break;
  }
  if (a.object_.size() != b.object_.size()) return false;
  // Usually the order is the same; then `next` is right at once and the whole is linear.
  std::size_t next = 0;
  for (const Member& member : a.object_) {
    const Json* other = nullptr;
    if (b.object_[next].key == member.key) {
      other = &b.object_[next].value;
    } else {
      other = b.find(member.key);
    }
    next = next + 1 < b.object_.size() ? next + 1 : 0;
    if (other == nullptr || !equal(member.value, *other)) return false;
  }
  return true;
}

}  // namespace beluga
