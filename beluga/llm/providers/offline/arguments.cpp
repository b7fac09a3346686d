#include "beluga/llm/providers/offline/internal/arguments.hpp"

#include <algorithm>
#include <iterator>

#include "beluga/llm/providers/offline/internal/question.hpp"
#include "beluga/llm/providers/offline/internal/schema.hpp"

namespace beluga::llm::offline_model {
namespace {

using std::string_view;

std::string trim(string_view text, string_view what = " \t\r\n,;:.?!\"'`") {
  while (!text.empty() && what.find(text.front()) != string_view::npos) text.remove_prefix(1);
  while (!text.empty() && what.find(text.back()) != string_view::npos) text.remove_suffix(1);
  return std::string(text);
}

struct Word {
  std::size_t begin, end;
};
std::vector<Word> words_of(string_view text) {
  std::vector<Word> out;
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && is_blank(text[i])) ++i;
    std::size_t begin = i;
    while (i < text.size() && !is_blank(text[i])) ++i;
    std::size_t end = i;
    while (begin < end && string_view("\"'`(<[,;").find(text[begin]) != string_view::npos) ++begin;
    while (end > begin && string_view("\"'`)>],;:.?!").find(text[end - 1]) != string_view::npos) --end;
    if (end > begin) out.push_back({begin, end});
  }
  return out;
}

bool parse_number(string_view text, std::string& number) {
  std::string s;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == ',' && i > 0 && is_digit(text[i - 1]) && i + 3 < text.size() + 0 && is_digit(text[i + 1]))
      continue;  // 1,000
    s += c;
  }
  if (!s.empty() && (s.front() == '$' || s.front() == '#')) s.erase(0, 1);
  while (!s.empty() && (s.back() == '%')) s.pop_back();
  std::size_t i = 0;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  std::size_t digits = 0;
  while (i < s.size() && is_digit(s[i])) ++i, ++digits;
  if (digits == 0) return false;
  if (i < s.size() && s[i] == '.') {
    std::size_t fraction = 0;
    ++i;
    while (i < s.size() && is_digit(s[i])) ++i, ++fraction;
    if (fraction == 0) return false;
  }
  if (i != s.size()) return false;
  if (s.front() == '+') s.erase(0, 1);
  std::size_t lead = s.front() == '-' ? 1 : 0;
  while (s.size() > lead + 1 && s[lead] == '0' && is_digit(s[lead + 1])) s.erase(lead, 1);
  number = s;
  return true;
}

bool number_word(string_view lower_word, std::string& number) {
  static constexpr string_view kWords[] = {"zero",  "one",   "two",  "three", "four",   "five",  "six",
                                           "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  for (std::size_t i = 0; i < std::size(kWords); ++i)
    if (kWords[i] == lower_word) {
      number = std::to_string(i);
      return true;
    }
  return false;
}

/// "10km" and "30C" are a number with its unit.
std::size_t number_prefix(string_view word) {
  std::size_t i = 0;
  if (i < word.size() && (word[i] == '-' || word[i] == '$')) ++i;
  std::size_t first = i;
  while (i < word.size() &&
         (is_digit(word[i]) || (word[i] == '.' && i + 1 < word.size() && is_digit(word[i + 1]))))
    ++i;
  return i > first && i < word.size() &&
                 std::all_of(
                     word.begin() + static_cast<std::ptrdiff_t>(i), word.end(),
                     [](char c) { return is_ascii_alpha(c) || static_cast<unsigned char>(c) >= 0x80; })
             ? i
             : 0;
}

bool iso_date(string_view w) {
  return w.size() >= 10 && is_digit(w[0]) && is_digit(w[1]) && is_digit(w[2]) && is_digit(w[3]) &&
         w[4] == '-' && is_digit(w[5]) && is_digit(w[6]) && w[7] == '-' && is_digit(w[8]) && is_digit(w[9]);
}

bool date_word(string_view l) {
  static constexpr string_view kWords[] = {"today",  "tomorrow", "yesterday", "tonight",
                                           "monday", "tuesday",  "wednesday", "thursday",
                                           "friday", "saturday", "sunday"};
  return std::find(std::begin(kWords), std::end(kWords), l) != std::end(kWords);
}
bool month_word(string_view l) {
  static constexpr string_view kWords[] = {
      "january",   "february", "march",    "april",    "may", "june", "july", "august",
      "september", "october",  "november", "december", "jan", "feb",  "mar",  "apr",
      "jun",       "jul",      "aug",      "sep",      "oct", "nov",  "dec"};
  return std::find(std::begin(kWords), std::end(kWords), l) != std::end(kWords);
}

bool is_preposition(string_view l) {
  static constexpr string_view kWords[] = {"in",   "for",   "at",   "of", "from", "to",    "into", "on",
                                           "near", "about", "with", "by", "as",   "until", "and",  "or"};
  return std::find(std::begin(kWords), std::end(kWords), l) != std::end(kWords);
}

bool overlaps(const std::vector<std::pair<std::size_t, std::size_t>>& used, std::size_t begin,
              std::size_t end) {
  return std::any_of(used.begin(), used.end(),
                     [&](const auto& r) { return begin < r.second && r.first < end; });
}

}  // namespace

std::string find_expression(string_view text, std::size_t* begin_out, std::size_t* end_out) {
  // Words that stand for operators are replaced first; offsets are kept by mapping.
  std::string s;
  std::vector<std::size_t> from;
  auto put = [&](string_view what, std::size_t origin) {
    for (char c : what) {
      s += c;
      from.push_back(origin);
    }
  };
  std::string l = lower(text);
  if (l.size() != text.size()) l.assign(text);
  static constexpr std::pair<string_view, string_view> kWords[] = {{"multiplied by", "*"},
                                                                   {"divided by", "/"},
                                                                   {"to the power of", "^"},
                                                                   {"plus", "+"},
                                                                   {"minus", "-"},
                                                                   {"times", "*"},
                                                                   {"modulo", "%"},
                                                                   {"percent of", "/100*"},
                                                                   {"% of", "/100*"},
                                                                   {"squared", "^2"},
                                                                   {"cubed", "^3"},
                                                                   {"square root of", "sqrt "},
                                                                   {"over", "/"},
                                                                   {"×", "*"},
                                                                   {"÷", "/"},
                                                                   {"−", "-"}};
  for (std::size_t i = 0; i < text.size();) {
    bool replaced = false;
    bool at_word = i == 0 || !is_word_char(l[i - 1]) || !is_ascii_alpha(l[i]);
    for (const auto& [word, symbol] : kWords) {
      if (!at_word || !string_view(l).substr(i).starts_with(word)) continue;
      std::size_t after = i + word.size();
      if (is_ascii_alpha(word.back()) && after < l.size() && is_word_char(l[after])) continue;
      put(symbol, i);
      i += word.size();
      replaced = true;
      break;
    }
    if (replaced) continue;
    if (l[i] == 'x' && i > 0 && i + 1 < l.size() && (is_digit(l[i - 1]) || l[i - 1] == ' ') &&
        (is_digit(l[i + 1]) || l[i + 1] == ' '))
      put("*", i);
    else if (l[i] == ',' && i > 0 && is_digit(l[i - 1]) && i + 3 < l.size() && is_digit(l[i + 1]) &&
             is_digit(l[i + 2]) && is_digit(l[i + 3]) && (i + 4 >= l.size() || !is_digit(l[i + 4]))) {
      // a separator of thousands
    } else
      put(string_view(l).substr(i, 1), i);
    ++i;
  }
  auto function_at = [&](std::size_t i) -> std::size_t {
    for (string_view f : {"sqrt", "sin", "cos", "tan", "log10", "log2", "log", "ln", "exp", "abs", "min",
                          "max", "floor", "ceil", "round", "pow", "pi"})
      if (string_view(s).substr(i).starts_with(f) && (i == 0 || !is_ascii_alpha(s[i - 1])) &&
          (i + f.size() >= s.size() || !is_ascii_alpha(s[i + f.size()])))
        return f.size();
    return 0;
  };
  std::string best;
  for (std::size_t i = 0; i < s.size();) {
    bool starts = is_digit(s[i]) || s[i] == '(' || (s[i] == '-' && i + 1 < s.size() && is_digit(s[i + 1])) ||
                  function_at(i) > 0;
    if (!starts || (i > 0 && (is_word_char(s[i - 1]) || s[i - 1] == '.' || s[i - 1] == '-'))) {
      ++i;
      continue;
    }
    std::size_t j = i;
    int operators = 0, operands = 0;
    while (j < s.size()) {
      if (std::size_t f = function_at(j); f > 0) {
        if (s.substr(j, f) != "pi")
          ++operators;
        else
          ++operands;
        j += f;
        continue;
      }
      if (is_digit(s[j])) {
        if (j == i || (!is_digit(s[j - 1]) && s[j - 1] != '.')) ++operands;
        ++j;
        continue;
      }
      if (string_view("+-*/^%").find(s[j]) != string_view::npos) {
        if (j > i) ++operators;
        ++j;
        continue;
      }
      if (string_view("(). ,").find(s[j]) != string_view::npos) {
        if (s[j] == ',' && !(j + 1 < s.size() && (s[j + 1] == ' ' || is_digit(s[j + 1])) &&
                             best.find('(') != std::string::npos))
          break;
        ++j;
        continue;
      }
      if (s[j] == 'e' && j > i && is_digit(s[j - 1]) && j + 1 < s.size() &&
          (is_digit(s[j + 1]) || s[j + 1] == '-')) {
        ++j;
        continue;
      }
      break;
    }
    bool cut_in_word = j < s.size() && is_word_char(s[j]) && j > i && s[j - 1] != ' ';
    std::size_t end = j;
    while (end > i && string_view(" .,+-*/^%").find(s[end - 1]) != string_view::npos) --end;
    std::string e = s.substr(i, end - i);
    // Balance what the prose around has opened or closed.
    long depth = std::count(e.begin(), e.end(), '(') - std::count(e.begin(), e.end(), ')');
    while (depth < 0 && !e.empty() && e.back() == ')') e.pop_back(), ++depth, --end;
    if (depth > 0 && e.front() == '(') e.erase(0, 1), --depth;
    bool date = e.size() == 10 && iso_date(e);
    if (operators > 0 && operands > 0 && depth == 0 && !cut_in_word && !date && e.size() > best.size() &&
        (operands > 1 || e.find_first_of("sctlefrmpa") != std::string::npos ||
         e.find('^') != std::string::npos)) {
      // "sqrt 16" needs its parentheses.
      for (std::size_t at = e.find("sqrt "); at != std::string::npos; at = e.find("sqrt ", at + 5)) {
        std::size_t k = at + 5;
        if (k < e.size() && e[k] == '(') {
          e.erase(at + 4, 1);
          continue;
        }
        std::size_t stop = k;
        while (stop < e.size() && (is_digit(e[stop]) || e[stop] == '.')) ++stop;
        e.insert(stop, ")");
        e[at + 4] = '(';
      }
      best = e;
      if (begin_out) *begin_out = from[i];
      if (end_out) *end_out = end < from.size() ? from[end] : text.size();
    }
    i = std::max(j, i + 1);
  }
  return trim(best, " ");
}

std::optional<Json> Filler::value(const std::string& name, const Json& schema_in, const Json& root,
                                  bool required) {
  const Json& schema = resolve(schema_in, root);
  for (string_view key : {"anyOf", "oneOf", "allOf"})
    if (const Json* choices = schema.find(key); choices != nullptr && !schema.contains("type")) {
      for (const Json& choice : choices->items()) {
        const Json& each = resolve(choice, root);
        if (each.string_or("type", "") == "null") continue;
        Json merged = each;
        if (!merged.contains("description") && schema.contains("description"))
          merged["description"] = schema.at("description");
        if (auto found = value(name, merged, root, required)) return found;
      }
      return std::nullopt;
    }
  std::string_view type = type_of(schema);
  std::string description = description_of(schema);
  std::vector<std::string> k = stems_of(name), d = stems_of(description.substr(0, 400));
  string_view t = text;
  auto take = [&](std::size_t begin, std::size_t end) {
    used.emplace_back(begin, end);
    return std::string(t.substr(begin, end - begin));
  };
  auto free = [&](std::size_t begin, std::size_t end) { return !overlaps(used, begin, end); };
  std::vector<Word> words = words_of(t);

  if (const Json* constant = schema.find("const")) return *constant;
  if (const Json* values = schema.find("enum")) {
    const Json* best = nullptr;
    std::size_t best_size = 0;
    std::pair<std::size_t, std::size_t> at{0, 0};
    std::vector<Token> tokens = tokenise(t);
    for (const Json& item : values->items()) {
      std::string word = item.is_string() ? item.as_string() : item.is_null() ? std::string() : item.dump();
      std::vector<std::string> stems = stems_of(word);
      if (stems.empty() || word.size() <= best_size) continue;
      for (std::size_t i = 0; i + stems.size() <= tokens.size(); ++i) {
        bool same = true;
        for (std::size_t j = 0; j < stems.size(); ++j) same = same && tokens[i + j].stem == stems[j];
        if (!same || !free(tokens[i].begin, tokens[i + stems.size() - 1].end)) continue;
        best = &item;
        best_size = word.size();
        at = {tokens[i].begin, tokens[i + stems.size() - 1].end};
        break;
      }
    }
    if (best != nullptr) {
      used.push_back(at);
      return *best;
    }
    return std::nullopt;
  }

  if (type == "boolean") {
    std::vector<Token> tokens = tokenise(t);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      for (const std::string& stem : k) {
        if (tokens[i].stem != stem || is_stop_word(stem) || is_common_word(stem)) continue;
        bool negated = i > 0 && (tokens[i - 1].stem == "not" || tokens[i - 1].stem == "no" ||
                                 tokens[i - 1].stem == "without");
        return Json(!negated);
      }
    if (required) return Json(false);
    return std::nullopt;
  }

  if (type == "integer" || type == "number") {
    struct Found {
      std::size_t begin, end;
      std::string number;
      int fit;
    };
    std::vector<Found> all;
    for (std::size_t i = 0; i < words.size(); ++i) {
      string_view w = t.substr(words[i].begin, words[i].end - words[i].begin);
      std::string number;
      std::size_t end = words[i].end;
      if (std::size_t n = number_prefix(w); n > 0) end = words[i].begin + n, w = w.substr(0, n);
      if (!parse_number(w, number) && !number_word(lower(w), number)) continue;
      if (type == "integer" && number.find('.') != std::string::npos) continue;
      if (!free(words[i].begin, end)) continue;
      // Next to the parameter's own name or unit it fits best.
      int fit = 0;
      for (std::size_t o : {i - 1, i + 1, i - 2}) {
        if (o >= words.size()) continue;
        for (const std::string& stem : stems_of(t.substr(words[o].begin, words[o].end - words[o].begin)))
          fit += (std::find(k.begin(), k.end(), stem) != k.end() ? 3 : 0) +
                 (!is_stop_word(stem) && std::find(d.begin(), d.end(), stem) != d.end() ? 1 : 0);
      }
      all.push_back({words[i].begin, end, number, fit});
    }
    if (all.empty()) return std::nullopt;
    auto best = std::max_element(all.begin(), all.end(),
                                 [](const Found& a, const Found& b) { return a.fit < b.fit; });
    if (!required && best->fit == 0) return std::nullopt;  // an optional number is not guessed
    used.emplace_back(best->begin, best->end);
    return Json::number(best->number);
  }

  if (type == "array") {
    static const Json kString = Json::object({{"type", "string"}});
    const Json* items = schema.find("items");
    const Json& item = items != nullptr ? resolve(*items, root) : kString;
    Json out = Json::array();
    std::string_view item_type = type_of(item);
    if (item_type == "string" && !item.contains("enum")) {
      // Quotations, else a list with commas and "and".
      for (std::size_t i = 0; i < t.size(); ++i) {
        if (t[i] != '"') continue;
        std::size_t end = t.find('"', i + 1);
        if (end == string_view::npos) break;
        if (free(i, end)) out.push_back(take(i + 1, end));
        i = end;
      }
      if (out.empty()) {
        std::size_t colon = t.find(": ");
        string_view list = colon != string_view::npos ? t.substr(colon + 2) : string_view();
        while (!list.empty()) {
          std::size_t cut = std::min(list.find(", "), list.find(" and "));
          std::string each = trim(list.substr(0, cut));
          if (each.starts_with("and ")) each.erase(0, 4);
          if (!each.empty()) out.push_back(each);
          if (cut == string_view::npos) break;
          list.remove_prefix(cut + (list[cut] == ',' ? 2 : 5));
        }
      }
      if (out.empty())
        if (auto one = value(name, item, root, required)) out.push_back(*one);
    } else {
      for (int i = 0; i < 64; ++i) {
        auto one = value(name, item, root, true);
        if (!one) break;
        out.push_back(std::move(*one));
        if (item_type == "boolean" || item_type == "object") break;
      }
    }
    if (out.empty() && !required) return std::nullopt;
    if (out.empty() && schema.int_or("minItems", 0) > 0) return std::nullopt;
    return out;
  }

  if (type == "object") {
    Json out = Json::object();
    for (const Json::Member& m : properties(schema).members()) {
      bool needed = is_required(schema, m.key);
      if (auto found = value(m.key, m.value, root, needed))
        out[m.key] = std::move(*found);
      else if (needed)
        return std::nullopt;
    }
    if (out.empty() && !required) return std::nullopt;
    return out;
  }

  // Strings, by what the name, the format and the description say they are.
  std::string_view format = schema.string_or("format", "");
  auto first_word_where = [&](auto&& wanted) -> std::optional<Json> {
    for (const Word& w : words) {
      string_view word = t.substr(w.begin, w.end - w.begin);
      if (wanted(word) && free(w.begin, w.end)) return Json(take(w.begin, w.end));
    }
    return std::nullopt;
  };
  auto quoted = [&]() -> std::optional<Json> {
    for (char mark : {'"', '`'})
      for (std::size_t i = 0; i < t.size(); ++i) {
        if (t[i] != mark) continue;
        std::size_t end = t.find(mark, i + 1);
        if (end == string_view::npos) break;
        if (end > i + 1 && free(i + 1, end)) return Json(take(i + 1, end));
        i = end;
      }
    // 'single quotes' around words, not apostrophes
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      if (t[i] != '\'' || (i > 0 && !is_blank(t[i - 1]))) continue;
      std::size_t end = t.find('\'', i + 1);
      if (end == string_view::npos || (end + 1 < t.size() && is_word_char(t[end + 1]))) continue;
      if (end > i + 1 && free(i + 1, end)) return Json(take(i + 1, end));
      i = end;
    }
    return std::nullopt;
  };

  if (names_any(k, {"express", "formula", "calcul", "equat", "arithmet"}) ||
      (names_any(d, {"arithmet", "mathemat"}) && names_any(d, {"express"}))) {
    std::size_t begin = 0, end = 0;
    std::string e = find_expression(t, &begin, &end);
    if (!e.empty() && free(begin, end)) {
      used.emplace_back(begin, end);
      return Json(e);
    }
    return std::nullopt;
  }
  if (format == "uri" || format == "url" || names_any(k, {"url", "uri", "link"}))
    return first_word_where([](string_view w) { return w.find("://") != string_view::npos; });
  if (format == "email" || names_any(k, {"email", "mail"}))
    return first_word_where(
        [](string_view w) { return w.find('@') != string_view::npos && w.find('.') != string_view::npos; });
  if (format == "date" || format == "date-time" || names_any(k, {"date", "dai", "when", "deadlin"})) {
    if (auto found = first_word_where(iso_date)) return found;
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::string w = lower(t.substr(words[i].begin, words[i].end - words[i].begin));
      if (month_word(w) && w != "may") {
        std::size_t first = i > 0 && is_digit(t[words[i - 1].begin]) ? i - 1 : i;
        std::size_t last = i;
        while (last + 1 < words.size() && is_digit(t[words[last + 1].begin]) && last < i + 2) ++last;
        if (first != last && free(words[first].begin, words[last].end))
          return Json(take(words[first].begin, words[last].end));
      }
    }
    return first_word_where([](string_view w) { return date_word(lower(w)); });
  }
  if (names_any(k, {"path", "file", "filenam", "directori", "dir", "folder"})) {
    if (auto found = quoted()) return found;
    return first_word_where([](string_view w) {
      std::size_t dot = w.rfind('.');
      return w.find('/') != string_view::npos ||
             (dot != string_view::npos && dot > 0 && dot + 1 < w.size() && !is_digit(w[dot + 1]));
    });
  }
  if (names_any(k, {"queri", "question", "search", "keyword", "pattern", "q"}) && !names_any(d, {"sql"})) {
    if (auto found = quoted()) return found;
    Question q = analyse(t);
    std::string keys;
    for (const Term& term : q.terms) keys += (keys.empty() ? "" : " ") + term.surface;
    if (keys.empty()) return std::nullopt;
    return Json(keys);
  }
  // "title: X", "title X", "called X"
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    string_view w = t.substr(words[i].begin, words[i].end - words[i].begin);
    std::vector<std::string> stems = stems_of(w);
    bool named = stems.size() == 1 && std::find(k.begin(), k.end(), stems.front()) != k.end() &&
                 !is_stop_word(lower(w));
    if (!named) continue;
    std::size_t next = i + 1;
    std::string follows = lower(t.substr(words[next].begin, words[next].end - words[next].begin));
    if ((follows == "is" || follows == "named" || follows == "called" || follows == "=") &&
        next + 1 < words.size())
      ++next;
    bool colon = words[i].end < t.size() && (t[words[i].end] == ':' || t[words[i].end] == '=');
    std::string word(t.substr(words[next].begin, words[next].end - words[next].begin));
    if (colon || next > i + 1) {
      std::size_t end = next;
      while (
          end + 1 < words.size() && words[end].end + 1 == words[end + 1].begin &&
          !is_preposition(lower(t.substr(words[end + 1].begin, words[end + 1].end - words[end + 1].begin))))
        ++end;
      if (free(words[next].begin, words[end].end)) return Json(take(words[next].begin, words[end].end));
    }
    bool valued = std::any_of(word.begin(), word.end(), is_digit) || is_upper(word.front());
    if (valued && free(words[next].begin, words[next].end)) {
      std::size_t end = next;
      while (end + 1 < words.size() && is_upper(t[words[next].begin]) && is_upper(t[words[end + 1].begin]) &&
             words[end].end + 1 == words[end + 1].begin)
        ++end;
      return Json(take(words[next].begin, words[end].end));
    }
  }
  // Units and ends of a range: "10 miles to kilometres", "from EUR to USD".
  bool source = names_any(k, {"from", "sourc", "origin", "departur"}),
       target = names_any(k, {"to", "target", "destin", "into"});
  if (source || target) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      std::string w = lower(t.substr(words[i].begin, words[i].end - words[i].begin));
      bool here = source ? w == "from" : (w == "to" || w == "into" || w == "in");
      if (!here || !free(words[i + 1].begin, words[i + 1].end)) continue;
      std::string next_word(t.substr(words[i + 1].begin, words[i + 1].end - words[i + 1].begin));
      if (is_digit(next_word.front()) || is_stop_word(lower(next_word))) continue;
      std::size_t end = i + 1;
      while (end + 1 < words.size() && is_upper(t[words[i + 1].begin]) && is_upper(t[words[end + 1].begin]) &&
             words[end].end + 1 == words[end + 1].begin)
        ++end;
      return Json(take(words[i + 1].begin, words[end].end));
    }
    if (source) {
      for (std::size_t i = 0; i < words.size(); ++i) {
        string_view w = t.substr(words[i].begin, words[i].end - words[i].begin);
        if (std::size_t n = number_prefix(w); n > 0 && free(words[i].begin + n, words[i].end))
          return Json(take(words[i].begin + n, words[i].end));
        std::string number;
        if ((parse_number(w, number) || number_word(lower(w), number)) && i + 1 < words.size() &&
            free(words[i + 1].begin, words[i + 1].end) &&
            !is_preposition(lower(t.substr(words[i + 1].begin, words[i + 1].end - words[i + 1].begin))))
          return Json(take(words[i + 1].begin, words[i + 1].end));
      }
    }
    return std::nullopt;
  }
  if (names_any(k, {"unit"})) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::string number;
      if (parse_number(t.substr(words[i].begin, words[i].end - words[i].begin), number) &&
          i + 1 < words.size() && free(words[i + 1].begin, words[i + 1].end))
        return Json(take(words[i + 1].begin, words[i + 1].end));
    }
    if (!required) return std::nullopt;
  }
  if (auto found = quoted()) return found;
  if (names_any(k, {"id", "number", "code", "sku", "order", "ticket", "identifi", "symbol", "ticker"})) {
    if (auto found =
            first_word_where([](string_view w) { return std::any_of(w.begin(), w.end(), is_digit); }))
      return found;
    if (auto found = first_word_where(
            [](string_view w) { return w.size() >= 2 && std::all_of(w.begin(), w.end(), is_upper); }))
      return found;
    return std::nullopt;
  }
  // Free text: "... that says X", "message: X"
  if (names_any(k, {"text", "messag", "bodi", "content", "note", "comment"})) {
    for (string_view lead : {": ", " saying ", " that says ", " to say ", " that "}) {
      std::size_t at = t.find(lead);
      if (at == string_view::npos) continue;
      std::string rest = trim(t.substr(at + lead.size()), " \"'");
      if (!rest.empty() && free(at + lead.size(), t.size())) {
        used.emplace_back(at + lead.size(), t.size());
        return Json(rest);
      }
    }
    if (!required) return std::nullopt;
    used.emplace_back(0, t.size());
    return Json(std::string(t));
  }
  if (!required) return std::nullopt;  // an optional text is not guessed
  // A proper name: after a preposition first, then anywhere but at the start.
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t i = 1; i < words.size(); ++i) {
      string_view w = t.substr(words[i].begin, words[i].end - words[i].begin);
      if (!is_upper(w.front()) || w == "I" || !free(words[i].begin, words[i].end)) continue;
      std::string before = lower(t.substr(words[i - 1].begin, words[i - 1].end - words[i - 1].begin));
      if (pass == 0 && !is_preposition(before) && before != "the") continue;
      std::size_t end = i;
      while (end + 1 < words.size() && words[end].end + 1 == words[end + 1].begin &&
             is_upper(t[words[end + 1].begin]))
        ++end;
      return Json(take(words[i].begin, words[end].end));
    }
  // The words after a preposition: "weather in paris".
  for (std::size_t i = words.size(); i-- > 1;) {
    std::string before = lower(t.substr(words[i - 1].begin, words[i - 1].end - words[i - 1].begin));
    std::string w = lower(t.substr(words[i].begin, words[i].end - words[i].begin));
    if (is_preposition(before) && !is_stop_word(w) && !date_word(w) && free(words[i].begin, words[i].end))
      return Json(take(words[i].begin, words[i].end));
  }
  return std::nullopt;
}

}  // namespace beluga::llm::offline_model
