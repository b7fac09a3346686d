#pragma once
/// Makes text from models and tools safe to show on a terminal.
///
/// A model that has read a hostile page can move the cursor, retitle the window, write the clipboard (OSC 52)
/// or reverse the reading order (Trojan Source, CVE-2021-42574). What comes out here is UTF-8 with line
/// feed and tab as the only control characters: no C0, DEL or C1, no escape sequence (ECMA-48: CSI, OSC, DCS,
/// SOS, PM, APC and the short ones) and no bidirectional embedding, override or isolate. A carriage return is
/// dropped, so that "\r\n" becomes "\n" and no line overwrites itself. An unfinished string sequence ends at
/// the line's end: it cannot hide what follows.

#include <cstdint>
#include <string>
#include <string_view>

#include "beluga/base/utf8.hpp"

namespace beluga {

std::string strip_terminal_controls(std::string_view text);

/// The same for text that arrives in pieces: a sequence or a character may be cut anywhere. One object per
/// stream.
class TerminalStripper {
 public:
  /// Appends what is safe to `out`.
  void feed(std::string_view chunk, std::string& out);
  /// The text is over; an incomplete character becomes U+FFFD, an incomplete sequence is dropped. Ready for
  /// another text.
  void finish(std::string& out);

 private:
  enum class State : std::uint8_t {
    ground,
    escape,
    escape_intermediate,
    control_sequence,
    string,
    string_escape
  };
  void scan(std::string_view text, std::string& out);

  Utf8Sanitizer utf8_;
  std::string valid_;  // reused buffer
  State state_ = State::ground;
};

}  // namespace beluga
