#include "beluga/tool/internal/html_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "beluga/base/ascii.hpp"

namespace beluga::detail {
namespace {

constexpr std::size_t kEnd = std::string_view::npos;

/// Elements that begin and end a line.
constexpr std::array<std::string_view, 37> kBlocks{
    "address", "article",  "aside",  "blockquote", "body", "br",     "dd",     "details", "div", "dl",
    "dt",      "fieldset", "figure", "footer",     "form", "h1",     "h2",     "h3",      "h4",  "h5",
    "h6",      "header",   "hr",     "li",         "main", "nav",    "ol",     "p",       "pre", "section",
    "summary", "table",    "title",  "tr",         "ul",   "option", "caption"};
/// Elements whose content is not text for a reader. Their content ends at their own end tag only.
constexpr std::array<std::string_view, 6> kHidden{"script", "style", "noscript", "template", "svg", "iframe"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

/// The character of "amp", "#65" or "#x41"; none for what is no reference to one.
std::optional<std::uint32_t> character_reference(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::uint32_t>, 17> kNamed{{{"amp", '&'},
                                                                                      {"lt", '<'},
                                                                                      {"gt", '>'},
                                                                                      {"quot", '"'},
                                                                                      {"apos", '\''},
                                                                                      {"nbsp", ' '},
                                                                                      {"copy", 0xA9},
                                                                                      {"mdash", 0x2014},
                                                                                      {"ndash", 0x2013},
                                                                                      {"hellip", 0x2026},
                                                                                      {"lsquo", 0x2018},
                                                                                      {"rsquo", 0x2019},
                                                                                      {"ldquo", 0x201C},
                                                                                      {"rdquo", 0x201D},
                                                                                      {"bull", 0x2022},
                                                                                      {"middot", 0xB7},
                                                                                      {"euro", 0x20AC}}};
  if (name.empty()) return std::nullopt;
  if (name[0] != '#') {
    for (const auto& [known, c] : kNamed)
      if (known == name) return c;
    return std::nullopt;
  }
  name.remove_prefix(1);
  const bool hex = !name.empty() && ascii_lower(name[0]) == 'x';
  if (hex) name.remove_prefix(1);
  if (name.empty() || name.size() > 8) return std::nullopt;
  std::uint32_t c = 0;
  for (const char digit : name) {
    const char d = ascii_lower(digit);
    if (d >= '0' && d <= '9')
      c = c * (hex ? 16 : 10) + static_cast<std::uint32_t>(d - '0');
    else if (hex && d >= 'a' && d <= 'f')
      c = c * 16 + static_cast<std::uint32_t>(d - 'a') + 10;
    else
      return std::nullopt;
  }
  // HTML standard 13.2.5.80: what is no character becomes U+FFFD. Controls would reach a terminal.
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0xFFFD;
  if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return c == '\t' || c == '\n' || c == '\r' ? ' ' : 0xFFFD;
  return c;
}

class Reader {
 public:
  explicit Reader(std::string_view html) : html_(html) {}

  std::string read() {
    while (at_ < html_.size()) {
      const char c = html_[at_];
      if (c == '<')
        markup();
      else if (c == '&')
        reference();
      else
        text(c), ++at_;
    }
    end_line();
    return std::move(out_);
  }

 private:
  void text(char c) {
    if (is_ascii_space(c)) {
      space_ = true;
      return;
    }
    separate();
    out_.push_back(c);
  }
  /// The one space that stands for a run of them, unless a line begins.
  void separate() {
    if (space_ && !out_.empty() && out_.back() != '\n') out_.push_back(' ');
    space_ = false;
  }
  void end_line() {
    if (!out_.empty() && out_.back() != '\n') out_.push_back('\n');
    space_ = false;
  }

  void reference() {
    constexpr std::size_t kLongest = 10;
    const std::size_t end = html_.substr(at_, kLongest + 1).find(';');
    const auto c = end == kEnd ? std::nullopt : character_reference(html_.substr(at_ + 1, end - 1));
    if (!c) {
      text('&');
      ++at_;
      return;
    }
    at_ += end + 1;
    if (*c == ' ') return text(' ');
    separate();
    append_utf8(out_, *c);
  }

  void markup() {
    const std::string_view rest = html_.substr(at_);
    if (rest.starts_with("<!--")) return skip_past(html_.find("-->", at_ + 4), 3);
    if (rest.size() > 1 && (rest[1] == '!' || rest[1] == '?')) return skip_past(html_.find('>', at_), 1);
    const bool closing = rest.size() > 1 && rest[1] == '/';
    const std::size_t begin = at_ + (closing ? 2 : 1);
    if (begin >= html_.size() || !is_ascii_alpha(html_[begin])) {
      text('<');
      ++at_;
      return;
    }
    std::size_t end = begin;
    std::string name;
    while (end < html_.size() && !is_ascii_space(html_[end]) && html_[end] != '>' && html_[end] != '/') {
      if (name.size() < 16) name.push_back(ascii_lower(html_[end]));
      ++end;
    }
    at_ = end;
    skip_attributes();
    if (among(kBlocks, name)) end_line();
    if (name == "td" || name == "th") space_ = true;
    if (name == "li" && !closing) out_ += "- ";
    if (!closing && among(kHidden, name)) skip_element(name);
  }
  void skip_past(std::size_t found, std::size_t length) {
    at_ = found == kEnd ? html_.size() : found + length;
  }
  void skip_attributes() {
    char quote = 0;
    bool value = false;  // a quote means something after '=' only
    for (; at_ < html_.size(); ++at_) {
      const char c = html_[at_];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '>') {
        ++at_;
        return;
      } else if (value && (c == '"' || c == '\'')) {
        quote = c;
        value = false;
      } else if (!is_ascii_space(c)) {
        value = c == '=';
      }
    }
  }
  void skip_element(std::string_view name) {
    for (;;) {
      at_ = html_.find("</", at_);
      if (at_ == kEnd) {
        at_ = html_.size();
        return;
      }
      at_ += 2;
      const std::string_view found = html_.substr(at_, name.size());
      if (!equal_ignoring_case(found, name)) continue;
      const std::size_t after = at_ + name.size();
      if (after < html_.size() && !is_ascii_space(html_[after]) && html_[after] != '>' && html_[after] != '/')
        continue;
      skip_past(html_.find('>', at_), 1);
      return;
    }
  }

  std::string_view html_;
  std::size_t at_ = 0;
  std::string out_;
  bool space_ = false;
};

}  // namespace

std::string html_text(std::string_view html) {
  return Reader(html).read();
}

}  // namespace beluga::detail
