#include "beluga/llm/providers/offline/internal/values.hpp"

#include <algorithm>
#include <iterator>

namespace beluga::llm::offline_model {
namespace {

bool path_token(std::string_view w) {
  if (w.size() < 3) return false;
  std::size_t slash = w.find('/');
  if (slash == 0 || w.starts_with("~/") || w.starts_with("$"))
    return w.find('/') != std::string_view::npos || w.front() == '$';
  if (slash != std::string_view::npos)
    return w.find("//") == std::string_view::npos && w.find_first_of(",()<>|") == std::string_view::npos;
  std::size_t dot = w.rfind('.');
  return dot != std::string_view::npos && dot > 1 && dot + 1 < w.size() && w.size() - dot <= 6 &&
         is_ascii_alpha(w[dot + 1]) && is_word_char(w[dot - 1]);
}

template <std::size_t N>
bool one_of(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

/// "512", "1,000", "0.5", "-1", "80x24".
bool is_number(std::string_view w) {
  return has_digit(w) && std::all_of(w.begin(), w.end(), [](char c) {
           return is_digit(c) || std::string_view(".,%-+:x").find(c) != std::string_view::npos;
         });
}

/// A number and a unit, in one word ("10s", "4MiB") or in two. Without a unit of `units` it is no quantity.
template <std::size_t N>
bool quantity(std::string_view text, const std::string_view (&units)[N]) {
  bool number_before = false, found = false;
  each_word(text, [&](std::string_view word, std::size_t) {
    std::string w = lower(word);
    if (number_before && one_of(units, w)) found = true;
    std::size_t digits = 0;
    while (digits < w.size() && (is_digit(w[digits]) || w[digits] == '.' || w[digits] == '-')) ++digits;
    if (digits > 0 && digits < w.size()) {
      std::string_view unit = std::string_view(w).substr(digits);
      found = found || one_of(units, unit);
    }
    number_before = is_number(w) || has_number_word(w);
    return !found;
  });
  return found;
}

constexpr std::string_view kDurations[] = {
    "s",    "sec",    "secs",    "second",      "seconds",      "m",     "min",
    "mins", "minute", "minutes", "h",           "hour",         "hours", "d",
    "day",  "days",   "w",       "week",        "weeks",        "month", "months",
    "year", "years",  "ms",      "millisecond", "milliseconds", "us",    "microseconds"};
constexpr std::string_view kSizes[] = {"b",         "byte",      "bytes",      "bit",   "bits", "k",
                                       "kb",        "kib",       "m",          "mb",    "mib",  "g",
                                       "gb",        "gib",       "t",          "tb",    "tib",  "kilobytes",
                                       "megabytes", "gigabytes", "characters", "chars", "lines"};

bool is_variable(std::string_view w) {
  if (w.size() > 1 && w.front() == '$') return true;
  std::size_t capitals = 0;
  for (char c : w) {
    if (is_upper(c))
      ++capitals;
    else if (!is_digit(c) && c != '_')
      return false;
  }
  return capitals >= 4;
}

bool is_option(std::string_view w) {
  return w.size() >= 2 && w.front() == '-' && (is_ascii_alpha(w[1]) || (w[1] == '-' && w.size() > 3));
}

bool is_identifier_word(std::string_view w) {
  if (w.size() < 2 || !is_ascii_alpha(w.front())) return false;
  bool joiner = false, hump = false;
  for (std::size_t i = 1; i < w.size(); ++i) {
    joiner = joiner || ((w[i] == '_' || w[i] == '-' || w[i] == '.' || w[i] == '(') && i + 1 < w.size());
    hump = hump || (is_upper(w[i]) && !is_upper(w[i - 1]) && is_ascii_alpha(w[i - 1]));
  }
  return joiner || hump;
}
}  // namespace

bool code_like(std::string_view tag) {
  if (tag.empty()) return false;
  if (tag.front() == '-' || tag.front() == '`' || tag.find("--") != std::string_view::npos) return true;
  std::size_t space = tag.find(' ');
  std::string_view first = tag.substr(0, space);
  return first.find_first_of("_.-/=") != std::string_view::npos || first.size() == tag.size() ||
         (!is_upper(first.front()) && std::count(tag.begin(), tag.end(), ' ') <= 2);
}

bool has_digit(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), is_digit);
}

bool has_number_word(std::string_view text) noexcept {
  for (std::string_view w :
       {"one",    "two",  "three", "four",  "five",  "six",    "seven",  "eight",   "nine",     "ten",
        "twelve", "once", "twice", "every", "daily", "hourly", "weekly", "monthly", "no limit", "unlimited"})
    if (contains_word(text, w)) return true;
  return false;
}

bool has_person(std::string_view text) {
  bool named = text.find('@') != std::string::npos;
  bool previous = false;
  each_word(text, [&](std::string_view word, std::size_t) {
    bool capital = is_upper(word.front()) && word.size() > 1 && word.size() < 20 && !is_upper(word[1]) &&
                   word.find_first_of("./:") == std::string_view::npos;
    static constexpr std::string_view kLegal[] = {
        "Software",  "License",    "Licence", "Consortium", "Foundation", "General", "Public",
        "Copyright", "Permission", "The",     "This",       "If",         "In",      "All"};
    if (one_of(kLegal, word)) capital = false;
    named = named || (capital && previous);
    previous = capital;
    return !named;
  });
  return named;
}

bool has_shape(Shape shape, std::string_view text) {
  switch (shape) {
    case Shape::any:
      return true;
    case Shape::number:
      return has_digit(text) || has_number_word(text);
    case Shape::duration:
      return quantity(text, kDurations) || has_number_word(text);
    case Shape::size:
      return quantity(text, kSizes);
    case Shape::path:
      return !first_path(text).empty();
    case Shape::person:
      return has_person(text);
    default:
      break;
  }
  bool found = false;
  each_word(text, [&](std::string_view w, std::size_t at) {
    switch (shape) {
      case Shape::option:
        found = is_option(w);
        break;
      case Shape::variable:
        found = is_variable(w);
        break;
      case Shape::signal:
        found = w.starts_with("SIG") && w.size() > 4 && is_upper(w[3]);
        break;
      case Shape::identifier:
        found = is_identifier_word(w) || is_option(w) ||
                (at > 0 && std::string_view("`\"'*").find(text[at - 1]) != std::string_view::npos);
        break;
      case Shape::version:
        found = has_digit(w) && w.find('.') != std::string_view::npos;
        break;
      case Shape::percentage:
        found =
            has_digit(w) && (w.ends_with("%") || text.substr(at).starts_with(std::string(w) + " percent"));
        break;
      case Shape::key:
        found = w.size() == 1 ||
                ((w.starts_with("C-") || w.starts_with("M-") || w.starts_with("^")) && w.size() <= 4) ||
                lower(w).starts_with("ctrl");
        break;
      default:
        found = true;
    }
    return !found;
  });
  return found;
}

std::string first_path(std::string_view text, std::size_t* offset) {
  std::string found;
  each_word(text, [&](std::string_view w, std::size_t at) {
    if (!path_token(w)) return true;
    found = std::string(w);
    if (offset) *offset = at;
    return false;
  });
  return found;
}

/// The only number of a sentence, with its unit.
std::string only_number(std::string_view text, std::size_t* offset) {
  std::string found;
  int count = 0;
  std::string_view pending;
  each_word(text, [&](std::string_view w, std::size_t at) {
    if (!pending.empty()) {
      static constexpr std::string_view kUnits[] = {
          "bytes", "bits",  "seconds", "second",  "minutes", "minute", "hours",        "hour",
          "days",  "day",   "weeks",   "week",    "months",  "years",  "milliseconds", "ms",
          "KiB",   "MiB",   "GiB",     "MB",      "GB",      "kB",     "megabytes",    "kilobytes",
          "lines", "names", "percent", "queries", "times"};
      if (std::find(std::begin(kUnits), std::end(kUnits), w) != std::end(kUnits))
        found += " " + std::string(w);
      pending = {};
    }
    bool numeric = has_digit(w) && std::all_of(w.begin(), w.end(), [](char c) {
                     return is_digit(c) || c == '.' || c == ',' || c == '%' || c == '-' || c == ':';
                   });
    if (!numeric) return true;
    ++count;
    if (count == 1) {
      found = std::string(w);
      if (offset) *offset = at;
      pending = w;
    }
    return true;
  });
  return count == 1 ? found : std::string();
}

std::string default_in(std::string_view s, std::size_t* offset) {
  std::string l = lower(s);
  if (l.size() != s.size()) return {};
  auto clean = [](std::string_view v) {
    while (!v.empty() && std::string_view(" \"'`(<*").find(v.front()) != std::string_view::npos)
      v.remove_prefix(1);
    while (!v.empty() && std::string_view(" \"'`)>*.,;:").find(v.back()) != std::string_view::npos)
      v.remove_suffix(1);
    // "gzip(1" has lost its parenthesis.
    if (std::size_t open = v.find('(');
        open != std::string_view::npos && v.find(')') == std::string_view::npos)
      v = v.substr(0, open);
    return std::string(v);
  };
  auto until = [&](std::size_t at) {
    std::size_t end = at;
    int depth = 0;
    while (end < s.size()) {
      char c = s[end];
      if (c == '(') ++depth;
      if (c == ')' && depth-- == 0) break;
      bool gap = end + 1 >= s.size() || s[end + 1] == ' ' || s[end + 1] == ')';
      if ((c == '.' || c == ',' || c == ';') && gap && depth <= 0) break;
      if (c == ' ' && depth <= 0) {
        std::string_view rest = std::string_view(l).substr(end);
        if (rest.starts_with(" and ") || rest.starts_with(" which ") || rest.starts_with(" but ") ||
            rest.starts_with(" if ") || rest.starts_with(" unless ") || rest.starts_with(" when ") ||
            rest.starts_with(" (") || rest.starts_with(" for ") || rest.starts_with(" see "))
          break;
      }
      ++end;
      if (end - at > 80) break;
    }
    return end;
  };
  for (std::size_t at = l.find("default"); at != std::string::npos; at = l.find("default", at + 7)) {
    std::size_t i = at + 7;
    if (i < l.size() && l[i] == 's') ++i;
    if (i < l.size() && l[i] == ':') {
      std::size_t begin = i + 1;
      std::string value = clean(s.substr(begin, until(begin) - begin));
      if (!value.empty() && value.size() <= 60) {
        if (offset) *offset = begin + 1;
        return value;
      }
    }
    // "default [value|port ...] is|to X"
    std::size_t word = i;
    for (int words = 0; words < 6 && word < l.size() && l[word] == ' '; ++words) {
      std::size_t begin = word + 1, end = l.find(' ', begin);
      if (end == std::string::npos) break;
      std::string_view w = std::string_view(l).substr(begin, end - begin);
      if (w == "is" || w == "to" || w == "are" || w == "was" || w == "=") {
        std::size_t start = end + 1;
        std::string_view rest = std::string_view(l).substr(start);
        for (std::string_view skip : {"set to ", "to ", "the ", "about ", "level "})
          if (rest.starts_with(skip)) {
            if (skip != "level ") start += skip.size();
            rest = std::string_view(l).substr(start);
          }
        std::string value = clean(s.substr(start, until(start) - start));
        static constexpr std::string_view kStates[] = {"disabled", "enabled", "unlimited", "unset"};
        bool participle =
            value.ends_with("ed") && value.find(' ') == std::string::npos &&
            std::find(std::begin(kStates), std::end(kStates), lower(value)) == std::end(kStates);
        if (!value.empty() && value.size() <= 60 && !participle &&
            !(w == "to" && words > 0 && (value.size() > 30))) {
          if (offset) *offset = start;
          return value;
        }
        break;
      }
      if (w.find('.') != std::string_view::npos || w.find(',') != std::string_view::npos) break;
      word = end;
    }
    // "By default, the limit is 3."
    if (l.compare(at >= 3 ? at - 3 : 0, 3, "by ") == 0) {
      std::size_t verb = l.find(" is ", i);
      if (verb == std::string::npos) verb = l.find(" are ", i);
      if (verb != std::string::npos && verb + 4 < s.size()) {
        std::size_t start = verb + (l[verb + 1] == 'a' ? 5 : 4);
        if (l.compare(start, 7, "set to ") == 0) start += 7;
        std::string value = start < s.size() ? clean(s.substr(start, until(start) - start)) : std::string();
        if (!value.empty() && value.size() <= 40 && is_digit(value.front())) {
          if (offset) *offset = start;
          return value;
        }
      }
    }
    // "X (the default)", "X is the default", "(60 default)", "X by default"
    std::size_t back = std::string::npos;
    std::string_view before = std::string_view(l).substr(0, at);
    for (std::string_view form : {" (the ", ", the ", " is the ", " (", " by "})
      if (before.ends_with(form)) {
        back = before.size() - form.size();
        break;
      }
    if (back == std::string::npos && before.ends_with(" ")) {
      std::size_t open = before.rfind('(');
      if (open != std::string_view::npos && at - open < 40 && i < l.size() && l[i] == ')') {
        if (offset) *offset = open + 1;
        return clean(s.substr(open + 1, at - open - 1));
      }
    }
    if (back != std::string::npos && back > 0) {
      std::size_t start = s.rfind(' ', back - 1);
      start = start == std::string_view::npos ? 0 : start + 1;
      std::string value = clean(s.substr(start, back - start));
      if (!value.empty() && value.size() <= 40 && !is_stop_word(lower(value)) &&
          (!before.ends_with(" by ") || has_digit(value))) {
        if (offset) *offset = start;
        return value;
      }
    }
  }
  return {};
}

}  // namespace beluga::llm::offline_model
