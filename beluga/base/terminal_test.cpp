#include "beluga/base/terminal.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace beluga {
namespace {

const std::vector<std::pair<std::string, std::string>> kCases = {
    {"plain text\n\twith \xC3\xA9 and \xF0\x9F\x98\x80", "plain text\n\twith \xC3\xA9 and \xF0\x9F\x98\x80"},
    {"a\x1b[31;1mred\x1b[0m b", "ared b"},                     // CSI
    {"a\x1b[?25lb\x1b[>0;1$pc", "abc"},                        // private and intermediate bytes
    {"a\x1b]0;title\ab", "ab"},                                // OSC ended by BEL
    {"a\x1b]52;c;aGk=\x1b\\b", "ab"},                          // OSC ended by ST: the clipboard
    {"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"},  // hyperlinks
    {"a\x1bPq#0;2\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", "abcde"},
    {"a\xC2\x9B"
     "31mb\xC2\x9D"
     "0;t\xC2\x9C"
     "c\xC2\x85"
     "d",
     "abcd"},  // C1 in UTF-8
    {"a\x1b"
     "cb\x1b(0c\x1b#8d\x1b=e",
     "abcde"},  // short sequences
    {"a\r\nb\bc\x7f"
     "d\0e",
     "a\nbcd"},                                        // (the NUL ends this literal)
    {"\x1b[3\n1m", "\n1m"},                            // a broken sequence ends where it breaks
    {"\x1b]0;never ended\nnext line", "\nnext line"},  // and hides nothing after its line
    {"\x1b\x1b[31mx", "x"},
    {"\x1b]0;a\x18visible", "visible"},
    {"\x1b]0;a\x1b[31mred", "red"},  // ESC ends the string, begins another sequence
    {"x\xE2\x80\xAEtxt.exe\xE2\x81\xA6y\xE2\x81\xA9", "xtxt.exey"},
    {"\xD7\xA9\xE2\x80\x8F\xD7\xA9", "\xD7\xA9\xE2\x80\x8F\xD7\xA9"},  // the harmless mark stays
    {"a\x9B"
     "31mb\xFF",
     "a\xEF\xBF\xBD"
     "31mb\xEF\xBF\xBD"},  // a bare C1 byte is no UTF-8
    {"\x1b[", ""},
    {"\x1b\xC3\xA9", "\xC3\xA9"},
};

TEST(TerminalControls, AreStripped) {
  for (const auto& [text, expected] : kCases)
    EXPECT_EQ(strip_terminal_controls(text), expected) << testing::PrintToString(text);
  EXPECT_EQ(strip_terminal_controls(std::string("a\0b", 3)), "ab");
}

TEST(TerminalControls, AreStrippedWhereverTheTextIsCut) {
  for (const auto& [text, expected] : kCases)
    for (std::size_t first = 0; first <= text.size(); ++first)
      for (std::size_t second = first; second <= text.size(); ++second) {
        TerminalStripper stripper;
        std::string out;
        const std::string_view view = text;
        stripper.feed(view.substr(0, first), out);
        stripper.feed(view.substr(first, second - first), out);
        stripper.feed(view.substr(second), out);
        stripper.finish(out);
        ASSERT_EQ(out, expected) << testing::PrintToString(text) << ' ' << first << ' ' << second;
      }
}

TEST(TerminalControls, LeaveNoControlByteInWhateverArrives) {
  // Every pair and triple of the bytes that mean something to the machine.
  const std::string alphabet("\x1b[]P\\\a\x18;0m \n\xC2\x9B\x9C\xE2\x80\xAE\x7F", 19);
  for (const char a : alphabet)
    for (const char b : alphabet)
      for (const char c : alphabet) {
        const std::string text{a, b, c, b, a};
        const std::string out = strip_terminal_controls(text);
        for (const char byte : out) {
          const auto value = static_cast<unsigned char>(byte);
          EXPECT_TRUE(value == '\n' || (value >= 0x20 && value != 0x7F)) << testing::PrintToString(text);
        }
        EXPECT_TRUE(is_valid_utf8(out));
        EXPECT_EQ(out.find("\xE2\x80\xAE"), std::string::npos);
        EXPECT_EQ(strip_terminal_controls(out), out);
      }
}

TEST(TerminalControls, StripperIsReadyAgainAfterFinish) {
  TerminalStripper stripper;
  std::string out;
  stripper.feed("a\x1b]0;unfinished", out);
  stripper.finish(out);
  stripper.feed("b", out);
  stripper.finish(out);
  EXPECT_EQ(out, "ab");
}

}  // namespace
}  // namespace beluga
