#include "beluga/llm/providers/offline/internal/evidence.hpp"

#include <algorithm>
#include <charconv>

#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga::llm::offline_model {
namespace {

constexpr std::size_t kMaxLine = 2000;         // longer lines are cut: nobody quotes more
constexpr std::size_t kMaxContent = 4U << 20;  // of one result
constexpr std::size_t kMaxHits = 20000;

template <class F>
void each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!f(line)) return;
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

constexpr std::int64_t kMostNumber = 1'000'000'000;  // of a line: so that sums of a few stay numbers

/// A number at `at`; 0 if there is none. Moves `at` past it.
std::int64_t number_at(std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > kMostNumber) return 0;
  at = static_cast<std::size_t>(end - text.data());
  return value;
}

bool looks_like_path(std::string_view text) {
  if (text.empty() || text.size() > 400 || is_blank(text.front())) return false;
  if (text.find("://") != std::string_view::npos) return false;
  bool joiner = text.find('/') != std::string_view::npos || text.find('.') != std::string_view::npos;
  if (text.find_first_of(":\t\"") != std::string_view::npos) return false;
  if (text.find(' ') != std::string_view::npos)
    return text.find('/') != std::string_view::npos && text.find(". ") == std::string_view::npos &&
           text.size() < 200;
  if (joiner) return true;
  // A name without a dot, such as README or copyright.
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_word_char(c) || c == '_' || c == '-' || c == '+'; });
}

/// "path:12: text" or "path-12- text" (grep context).
bool grep_line(std::string_view line, Hit& hit) {
  for (char separator : {':', '-'}) {
    for (std::size_t at = line.find(separator); at != std::string_view::npos && at < 400;
         at = line.find(separator, at + 1)) {
      std::size_t i = at + 1;
      if (i >= line.size() || !is_digit(line[i])) continue;
      std::int64_t number = number_at(line, i);
      if (number == 0) continue;
      bool stops = i < line.size() && line[i] == separator;
      if (!stops) continue;
      std::string_view path = line.substr(0, at);
      if (!looks_like_path(path)) break;
      ++i;
      if (separator == ':' && i < line.size() && is_digit(line[i])) {  // a column
        std::size_t j = i;
        if (number_at(line, j) > 0 && j < line.size() && line[j] == ':') i = j + 1;
      }
      if (i < line.size() && line[i] == ' ') ++i;
      hit = {std::string(path), number, std::string(line.substr(i, kMaxLine))};
      return true;
    }
  }
  return false;
}

/// "  12\ttext", "12: text", "12| text", "12- text", ">  12 text", "   12  text".
bool numbered_line(std::string_view line, std::int64_t& number, std::string_view& text) {
  std::size_t i = 0;
  while (i < line.size() && (line[i] == ' ' || line[i] == '>')) ++i;
  if (i >= line.size() || !is_digit(line[i])) return false;
  std::size_t j = i;
  number = number_at(line, j);
  if (number == 0) return false;
  if (j >= line.size()) {
    text = {};
    return true;
  }
  if (std::string_view rest = line.substr(j); rest.starts_with("→")) {
    text = rest.substr(std::string_view("→").size());
    return true;
  }
  char c = line[j];
  if (c == '\t') {
    text = line.substr(j + 1);
    return true;
  }
  if (c == ':' || c == '|' || c == '-') {
    text = line.substr(j + 1);
    if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return true;
  }
  if (c == ' ' && i > 0) {
    std::string_view rest = line.substr(j + 1);
    if (rest.starts_with("| ") || rest == "|")
      rest.remove_prefix(rest.size() > 1 ? 2 : 1);
    else if (rest.starts_with("│"))
      rest.remove_prefix(std::string_view("│").size());
    text = rest;
    return true;
  }
  return false;
}

constexpr std::string_view kPathKeys[] = {"path", "file", "filename", "source", "document",
                                          "uri",  "url",  "name",     "title",  "id"};
constexpr std::string_view kLineKeys[] = {"line", "line_number", "lineno", "start_line", "row"};
constexpr std::string_view kTextKeys[] = {"text", "content", "snippet", "match",      "passage",
                                          "body", "chunk",   "summary", "description"};

void hits_of_json(const Json& json, std::string path, std::vector<Hit>& hits) {
  // An explicit stack: a hostile result may nest as deep as the parser allows.
  struct Item {
    const Json* json;
    std::string path;
  };
  std::vector<Item> stack{{&json, std::move(path)}};
  while (!stack.empty() && hits.size() < kMaxHits) {
    Item item = std::move(stack.back());
    stack.pop_back();
    if (item.json->is_array()) {
      auto items = item.json->items();
      for (auto it = items.rbegin(); it != items.rend(); ++it) stack.push_back({&*it, item.path});
      continue;
    }
    if (!item.json->is_object()) continue;
    for (std::string_view key : kPathKeys)
      if (std::string_view found = item.json->string_or(key, ""); !found.empty()) {
        item.path = std::string(found);
        break;
      }
    std::int64_t line = 0;
    for (std::string_view key : kLineKeys)
      if (line == 0) line = item.json->int_or(key, 0);
    if (line < 0 || line > kMostNumber) line = 0;
    std::string_view text;
    for (std::string_view key : kTextKeys)
      if (text.empty()) text = item.json->string_or(key, "");
    if (!text.empty() && !item.path.empty()) {
      std::int64_t at = line > 0 ? line : 1;
      each_line(text, [&](std::string_view each) {
        hits.push_back({item.path, at++, std::string(each.substr(0, kMaxLine))});
        return hits.size() < kMaxHits;
      });
      continue;
    }
    auto members = item.json->members();
    for (auto it = members.rbegin(); it != members.rend(); ++it) stack.push_back({&it->value, item.path});
  }
}

bool parse_json(std::string_view content, Json& json) {
  std::size_t begin = content.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || (content[begin] != '{' && content[begin] != '[')) return false;
  auto parsed = attempt([&] { return Json::parse(content); });
  if (!parsed) return false;
  json = std::move(*parsed);
  return true;
}

}  // namespace

void Evidence::add(const std::string& path, std::int64_t line, std::string_view text) {
  documents[path].try_emplace(line, truncate_utf8(text, kMaxLine));
}

std::size_t Evidence::line_count() const noexcept {
  std::size_t n = 0;
  for (const auto& [path, lines] : documents) n += lines.size();
  return n;
}

std::vector<Hit> parse_hits(std::string_view content) {
  content = content.substr(0, kMaxContent);
  std::vector<Hit> hits;
  if (Json json; parse_json(content, json)) {
    hits_of_json(json, {}, hits);
    return hits;
  }
  std::string heading;
  each_line(content, [&](std::string_view line) {
    Hit hit;
    std::int64_t number = 0;
    std::string_view text;
    if (grep_line(line, hit)) {
      hits.push_back(std::move(hit));
    } else if (!heading.empty() && numbered_line(line, number, text)) {
      hits.push_back({heading, number, std::string(text.substr(0, kMaxLine))});
    } else {
      std::string_view name = line;
      while (!name.empty() && (name.back() == ':' || name.back() == ' ')) name.remove_suffix(1);
      bool pathlike = looks_like_path(name) && name.find(' ') == std::string_view::npos &&
                      (name.find('/') != std::string_view::npos || name.find('.') != std::string_view::npos);
      if (pathlike) heading = std::string(name);
    }
    return hits.size() < kMaxHits;
  });
  return hits;
}

std::vector<Hit> parse_file(std::string_view content, const std::string& path, std::int64_t first_line) {
  content = content.substr(0, kMaxContent);
  std::vector<Hit> lines;
  if (Json json; parse_json(content, json)) {
    std::vector<Hit> hits;
    hits_of_json(json, path, hits);
    if (!hits.empty() && !path.empty() && !path.ends_with(".json")) {
      for (Hit& hit : hits) hit.path = path;
      return hits;
    }
  }
  // Numbered, if most of the lines carry rising numbers.
  std::size_t total = 0, numbered = 0;
  std::int64_t previous = 0;
  each_line(content, [&](std::string_view line) {
    if (line.empty()) return true;
    ++total;
    Hit hit;
    std::int64_t number = 0;
    std::string_view text;
    if ((numbered_line(line, number, text) && number > previous) ||
        (grep_line(line, hit) && (number = hit.line) > previous)) {
      ++numbered;
      previous = number;
    }
    return total < 200;
  });
  bool has_numbers = total > 0 && numbered * 10 >= total * 7;
  std::int64_t next = std::max<std::int64_t>(first_line, 1);
  each_line(content, [&](std::string_view line) {
    if (has_numbers) {
      Hit hit;
      std::int64_t number = 0;
      std::string_view text;
      if (numbered_line(line, number, text))
        lines.push_back({path, number, std::string(text.substr(0, kMaxLine))});
      else if (grep_line(line, hit))
        lines.push_back(std::move(hit));
    } else {
      lines.push_back({path, next++, std::string(line.substr(0, kMaxLine))});
    }
    return lines.size() < 200000;
  });
  return lines;
}

std::vector<std::string> parse_listing(std::string_view content) {
  content = content.substr(0, kMaxContent);
  std::vector<std::string> paths;
  if (Json json; parse_json(content, json)) {
    std::vector<const Json*> stack{&json};
    while (!stack.empty() && paths.size() < 100000) {
      const Json* item = stack.back();
      stack.pop_back();
      if (item->is_string() && looks_like_path(item->as_string())) paths.push_back(item->as_string());
      if (item->is_object()) {
        for (std::string_view key : {"path", "file", "name"})
          if (std::string_view path = item->string_or(key, ""); !path.empty()) {
            paths.emplace_back(path);
            break;
          }
        for (const Json::Member& member : item->members())
          if (member.value.is_array()) stack.push_back(&member.value);
      }
      for (const Json& child : item->items()) stack.push_back(&child);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  each_line(content, [&](std::string_view line) {
    std::size_t begin = line.find_first_not_of(" \t-*");
    if (begin == std::string_view::npos) return true;
    line.remove_prefix(begin);
    // What follows the name is a size or a date.
    std::size_t end = line.find_first_of("\t");
    if (end == std::string_view::npos) end = line.find("  ");
    if (end == std::string_view::npos) {
      end = line.find(" (");
      if (end == std::string_view::npos) end = line.size();
    }
    std::string_view name = line.substr(0, end);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (looks_like_path(name)) paths.emplace_back(name);
    return paths.size() < 100000;
  });
  return paths;
}

std::vector<std::pair<std::string, std::int64_t>> parse_sizes(std::string_view content) {
  std::vector<std::pair<std::string, std::int64_t>> out;
  each_line(content.substr(0, kMaxContent), [&](std::string_view line) {
    const std::size_t open = line.rfind(" (");
    if (open == std::string_view::npos || !line.ends_with(" bytes)")) return true;
    std::size_t at = open + 2;
    if (at < line.size() && is_digit(line[at])) out.emplace_back(line.substr(0, open), number_at(line, at));
    return true;
  });
  return out;
}

}  // namespace beluga::llm::offline_model
