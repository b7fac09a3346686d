#include "beluga/contract/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;

std::string error_of(const Json& json) {
  try {
    message_from_json(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no error";
}

// Field by field, because the parts have no operator== of their own.
bool same(const Media& a, const Media& b) {
  return a.mime_type == b.mime_type && a.url == b.url && (a.data == nullptr) == (b.data == nullptr) &&
         (!a.data || *a.data == *b.data);
}
bool same(const Text& a, const Text& b) {
  return a.text == b.text;
}
bool same(const Image& a, const Image& b) {
  return same(a.data, b.data) && a.detail == b.detail;
}
bool same(const Audio& a, const Audio& b) {
  return same(a.data, b.data);
}
bool same(const File& a, const File& b) {
  return same(a.data, b.data) && a.name == b.name;
}
bool same(const Reasoning& a, const Reasoning& b) {
  return a.text == b.text && a.provider == b.provider && a.signature == b.signature &&
         a.redacted == b.redacted;
}
bool same(const ToolCall& a, const ToolCall& b) {
  return a.id == b.id && a.name == b.name && a.arguments == b.arguments;
}
template <class... A>
bool same(const std::variant<A...>& a, const std::variant<A...>& b) {
  return a.index() == b.index() &&
         std::visit([&](const auto& x) { return same(x, std::get<std::decay_t<decltype(x)>>(b)); }, a);
}
bool same(const ToolResult& a, const ToolResult& b) {
  if (a.attachments.size() != b.attachments.size()) return false;
  for (std::size_t i = 0; i < a.attachments.size(); ++i)
    if (!same(a.attachments[i], b.attachments[i])) return false;
  return a.call_id == b.call_id && a.name == b.name && a.content == b.content && a.is_error == b.is_error;
}
bool same(const Message& a, const Message& b) {
  if (a.role != b.role || a.parts.size() != b.parts.size()) return false;
  for (std::size_t i = 0; i < a.parts.size(); ++i)
    if (!std::visit(
            [&](const auto& x) {
              const auto* y = std::get_if<std::decay_t<decltype(x)>>(&b.parts[i]);
              return y != nullptr && same(x, *y);
            },
            a.parts[i]))
      return false;
  return true;
}

/// Messages made at random, with the characters that break careless writers.
class RandomMessages {
 public:
  explicit RandomMessages(unsigned seed) : random_(seed) {}

  Message next() {
    Message message{.role = static_cast<Role>(below(4))};
    for (unsigned n = below(6); n > 0; --n) message.parts.push_back(part());
    return message;
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string text() {
    static const std::string kPieces[] = {
        "a", "\"", "\\", "\n",     std::string(1, '\0'), "\x1f", "/", "\u00e9", "\u20ac", "\U0001F40B",
        "{", "}",  ",",  "\u2028", "</script>",          "\x7f"};
    std::string out;
    for (unsigned n = below(9); n > 0; --n) out += kPieces[below(std::size(kPieces))];
    return out;
  }
  Media media() {
    if (below(2) == 0) return Media::link("https://example.com/" + text(), text());
    std::string bytes(below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(below(256));
    return Media::bytes("image/png", bytes);
  }
  Part part() {
    switch (below(7)) {
      case 0:
        return Text{text()};
      case 1:
        return Image{media(), text()};
      case 2:
        return Audio{media()};
      case 3:
        return File{media(), text()};
      case 4:
        return Reasoning{text(), text(), text(), below(2) == 0};
      case 5:
        return ToolCall{text(), text(), text()};
      default: {
        ToolResult result{.call_id = text(), .name = text(), .content = text(), .is_error = below(2) == 0};
        for (unsigned n = below(3); n > 0; --n) {
          if (below(2) == 0)
            result.attachments.emplace_back(Image{media(), text()});
          else
            result.attachments.emplace_back(File{media(), text()});
        }
        return result;
      }
    }
  }
  std::mt19937 random_;
};

TEST(Message, ComesBackUnchangedFromItsJsonText) {
  RandomMessages messages(2026);
  for (int i = 0; i < 3000; ++i) {
    const Message message = messages.next();
    const std::string stored = to_json(message).dump();
    const Message restored = message_from_json(Json::parse(stored));
    ASSERT_TRUE(same(message, restored)) << stored;
    ASSERT_EQ(to_json(restored).dump(), stored);  // byte-stable
  }
}

TEST(Message, KeepsAnEmptyBlobApartFromNoBlob) {
  Message message = Message::user("");
  message.parts.push_back(Image{Media::bytes("image/png", ""), ""});
  message.parts.push_back(Image{Media::link("", ""), ""});
  const Message restored = message_from_json(to_json(message));
  EXPECT_NE(std::get<Image>(restored.parts[1]).data.data, nullptr);
  EXPECT_EQ(std::get<Image>(restored.parts[2]).data.data, nullptr);
}

TEST(Message, LeavesEmptyOptionalMembersOut) {
  EXPECT_EQ(to_json(Message::user("hi")).dump(), R"({"role":"user","parts":[{"type":"text","text":"hi"}]})");
  EXPECT_EQ(to_json(Message::tool({.call_id = "c", .name = "add", .content = "3"})).dump(),
            R"({"role":"tool","parts":[{"type":"tool_result","call_id":"c","name":"add","content":"3"}]})");
}

TEST(Message, IgnoresMembersOfANewerVersion) {
  const Message message = message_from_json(
      Json::parse(R"({"id":7,"role":"user","parts":[{"type":"text","text":"hi","cache":{"ttl":1}}]})"));
  EXPECT_EQ(message.text(), "hi");
}

TEST(Message, NamesThePlaceOfWhatItCannotRead) {
  EXPECT_THAT(error_of(Json::parse("[]")), HasSubstr("message: expected an object, found array"));
  EXPECT_THAT(error_of(Json::parse("{}")), HasSubstr("missing member 'role'"));
  EXPECT_THAT(error_of(Json::parse(R"({"role":"bot","parts":[]})")), HasSubstr("unknown role 'bot'"));
  EXPECT_THAT(error_of(Json::parse(R"({"role":"user","parts":{}})")),
              HasSubstr("parts: expected an array, found object"));
  EXPECT_THAT(
      error_of(Json::parse(R"({"role":"user","parts":[{"type":"text","text":"a"},{"type":"hologram"}]})")),
      HasSubstr("parts[1]: unknown part type 'hologram'"));
  EXPECT_THAT(error_of(Json::parse(R"({"role":"user","parts":[{"type":"text","text":4}]})")),
              HasSubstr("parts[0].text: expected a string, found number"));
  EXPECT_THAT(error_of(Json::parse(R"({"role":"user","parts":[{"type":"image","data":"Zg="}]})")),
              HasSubstr("parts[0].data: base64"));
  EXPECT_THAT(error_of(Json::parse(
                  R"({"role":"tool","parts":[{"type":"tool_result","call_id":"","name":"","content":"",
                                      "attachments":[{"type":"text"}]}]})")),
              HasSubstr("parts[0].attachments[0]: unknown attachment type 'text'"));
}

TEST(Usage, AddsUpAndComesBackFromJson) {
  Usage usage{1, 2, 3, 4, 5};
  usage += Usage{10, 20, 30, 40, 50};
  EXPECT_EQ(usage, (Usage{11, 22, 33, 44, 55}));
  EXPECT_EQ(usage.total(), 165);
  EXPECT_EQ(usage_from_json(to_json(usage)), usage);
  EXPECT_EQ(usage_from_json(Json::object()), Usage{});
  EXPECT_THROW(usage_from_json(Json::parse(R"({"input":"many"})")), Error);
}

}  // namespace
}  // namespace beluga
