#include "beluga/base/terminal.hpp"

#include "beluga/base/internal/utf8.hpp"

namespace beluga {
namespace {

constexpr unsigned char kCancel = 0x18;
constexpr unsigned char kSubstitute = 0x1A;
constexpr unsigned char kEscape = 0x1B;

/// Plain bytes at the start of `text`: printable ASCII, '\n' and '\t'.
std::size_t plain_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\n' && c != '\t') || c >= 0x7F) break;
  }
  return at;
}

/// C2 80 to C2 9F.
bool is_c1(std::string_view c) noexcept {
  return c.size() == 2 && c[0] == '\xC2' && static_cast<unsigned char>(c[1]) <= 0x9F;
}

/// U+202A to U+202E and U+2066 to U+2069.
bool is_bidi_control(std::string_view c) noexcept {
  if (c.size() != 3 || c[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(c[2]);
  return (c[1] == '\x80' && last >= 0xAA && last <= 0xAE) || (c[1] == '\x81' && last >= 0xA6 && last <= 0xA9);
}

}  // namespace

void TerminalStripper::feed(std::string_view chunk, std::string& out) {
  valid_.clear();
  utf8_.feed(chunk, valid_);
  scan(valid_, out);
}

void TerminalStripper::finish(std::string& out) {
  valid_.clear();
  utf8_.finish(valid_);
  scan(valid_, out);
  state_ = State::ground;
}

/// Precondition: `text` is UTF-8 and ends with a whole character.
void TerminalStripper::scan(std::string_view text, std::string& out) {
  while (!text.empty()) {
    if (state_ == State::ground) {
      const std::size_t plain = plain_prefix(text);
      out.append(text.substr(0, plain));
      text.remove_prefix(plain);
      if (text.empty()) return;
    }
    const std::string_view c = text.substr(0, detail::utf8_step(text).length);
    const auto byte = static_cast<unsigned char>(c.front());
    const bool c1 = is_c1(c);
    const unsigned char c1_name = c1 ? static_cast<unsigned char>(c[1] - 0x40) : 0;  // the letter after ESC
    // The states that see a character they have no rule for leave it to the ground state.
    bool taken = true;
    const auto introduce = [this](unsigned char letter) {
      switch (letter) {
        case '[':
          state_ = State::control_sequence;
          return;
        case ']':
        case 'P':
        case 'X':
        case '^':
        case '_':
          state_ = State::string;
          return;
        default:
          state_ = State::ground;
          return;
      }
    };
    switch (state_) {
      case State::ground:
        if (byte == kEscape) {
          state_ = State::escape;
        } else if (c1) {
          introduce(c1_name);
        } else if (byte >= 0x80 && !is_bidi_control(c)) {
          out.append(c);
        }
        break;
      case State::escape:
      case State::string_escape:
        if (byte >= 0x30 && byte <= 0x7E) {
          introduce(byte);  // the end of a string, ESC \, is one of the short sequences
        } else if (byte >= 0x20 && byte <= 0x2F) {
          state_ = State::escape_intermediate;
        } else {
          state_ = State::ground;
          taken = false;
        }
        break;
      case State::escape_intermediate:
        if (byte >= 0x30 && byte <= 0x7E) {
          state_ = State::ground;
        } else if (byte < 0x20 || byte > 0x2F) {
          state_ = State::ground;
          taken = false;
        }
        break;
      case State::control_sequence:
        if (byte >= 0x40 && byte <= 0x7E) {
          state_ = State::ground;
        } else if (byte < 0x20 || byte > 0x3F) {
          state_ = State::ground;
          taken = false;
        }
        break;
      case State::string:
        if (byte == kEscape) {
          state_ = State::string_escape;
        } else if (byte == '\a' || byte == kCancel || byte == kSubstitute || (c1 && c1_name == '\\')) {
          state_ = State::ground;
        } else if (byte == '\n') {
          state_ = State::ground;
          taken = false;
        }
        break;
    }
    if (taken) text.remove_prefix(c.size());
  }
}

std::string strip_terminal_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  TerminalStripper stripper;
  stripper.feed(text, out);
  stripper.finish(out);
  return out;
}

}  // namespace beluga
