#include "beluga/llm/providers/offline/internal/evidence.hpp"

#include <algorithm>
#include <charconv>

#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"

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

/// A number at `at`; 0 if there is none. Moves `at` past it.
std::int64_t number_at(std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return 0;
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
  documents[path].try_emplace(line, text.substr(0, kMaxLine));
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

// ---- passages
// ------------------------------------------------------------------------------------------------------

namespace {

struct View {
  std::int64_t number = 0;
  std::string_view text;  // without its indentation and trailing blanks
  int indent = 0;
  bool blank() const noexcept { return text.empty(); }
};

View view(std::int64_t number, std::string_view line) {
  int indent = 0;
  std::size_t i = 0;
  for (; i < line.size() && (line[i] == ' ' || line[i] == '\t'); ++i)
    indent += line[i] == '\t' ? 8 - indent % 8 : 1;
  line.remove_prefix(i);
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return {number, line, indent};
}

bool is_rule(std::string_view text) {
  if (text.size() < 3) return false;
  char c = text.front();
  if (is_word_char(c) || c == ' ' || c == '.' || c == '"' || c == '(' || c == '|') return false;
  return std::all_of(text.begin(), text.end(), [c](char d) { return d == c; });
}

bool ends_sentence(std::string_view text) {
  return !text.empty() &&
         (text.back() == '.' || text.back() == ';' || text.back() == ',' || text.back() == '?');
}

bool is_bullet(std::string_view text, std::size_t& width) {
  for (std::string_view mark : {"- ", "* ", "+ ", "• ", "•   ", ". ", "o "})
    if (text.starts_with(mark)) {
      width = mark.size();
      return true;
    }
  std::size_t i = 0;
  while (i < text.size() && i < 3 && is_digit(text[i])) ++i;
  if (i > 0 && i + 1 < text.size() && (text[i] == '.' || text[i] == ')') && text[i + 1] == ' ') {
    width = i + 2;
    return true;
  }
  return false;
}

/// What a line that explains a term calls it: "--foo::", ":foo:", "foo <n>:", "**foo**".
bool definition(const View& line, const View* next, const View* after, std::string& tag) {
  std::string_view t = line.text;
  if (t.size() > 160 || t.back() == '\\' || t.front() == '{' || t.front() == '}' || t.front() == '"')
    return false;
  if (t.size() > 2 && t.ends_with("::") && t.find(". ") == std::string_view::npos) {
    tag = std::string(t.substr(0, t.size() - 2));
    if (std::size_t anchor = tag.find("]]"); tag.starts_with("[[") && anchor != std::string::npos)
      tag.erase(0, anchor + 2);
    return !tag.empty();
  }
  if (t.size() > 2 && t.front() == ':' && t.back() == ':' && t.find(' ') == std::string_view::npos) {
    tag = std::string(t.substr(1, t.size() - 2));
    return true;
  }
  bool identifier = t.find(' ') == std::string_view::npos &&
                    t.find_first_of("._-") != std::string_view::npos && t.size() > 3;
  bool deeper =
      next != nullptr &&
      ((!next->blank() && next->indent > line.indent) ||
       (next->blank() && identifier && after != nullptr && after->indent > line.indent && !after->blank()));
  if (deeper && t.size() <= 110 && !ends_sentence(t) && t.find(". ") == std::string_view::npos) {
    std::string_view name = t;
    while (!name.empty() && name.back() == ':') name.remove_suffix(1);
    if (name == "e.g." || name == "i.e." || name == "or" || name == "Note" || name == "Example") return false;
    // "which are:" opens a list; a term has few words.
    if (std::count(name.begin(), name.end(), ' ') > 12) return false;
    tag = std::string(name);
    return !tag.empty();
  }
  return false;
}

/// "-f     Force execution of the jobs": the text after the tag begins where the following lines do.
/// The column of the text after the first wide gap; 0 if there is none.
int second_column(const View& line) {
  std::size_t gap = line.text.find("  ");
  if (gap == std::string_view::npos || gap > 40) return 0;
  std::size_t at = line.text.find_first_not_of(' ', gap);
  return at == std::string_view::npos ? 0 : line.indent + static_cast<int>(at);
}

bool inline_tag(const View& line, const View* previous, const View* next, std::size_t& text_at,
                std::string& tag) {
  std::size_t gap = line.text.find("  ");
  std::size_t single = line.text.find(' ');
  if (gap == std::string_view::npos || gap > 40) gap = std::string_view::npos;
  auto fits = [&](std::size_t g) {
    std::size_t at = line.text.find_first_not_of(' ', g);
    if (at == std::string_view::npos) return false;
    int column = line.indent + static_cast<int>(at);
    bool aligned = next != nullptr && !next->blank() && next->indent == column && next->indent > line.indent;
    // An entry of one line: the usual column of manual pages, after a blank line.
    bool after_blank = previous == nullptr || previous->blank();
    bool short_tag = column - line.indent == 7 || (line.text.front() == '-' && column - line.indent == 8);
    bool alone = (next == nullptr || next->blank() || next->indent <= line.indent) && short_tag &&
                 (after_blank || line.text.front() == '-');
    // A row of a table: the line above or below has its second column at the same place. Two blanks alone are
    // justified text.
    bool row = false;
    for (const View* other : {previous, next})
      row = row || (at - g >= 3 && other != nullptr && !other->blank() && other->indent == line.indent &&
                    column - line.indent >= 4 && second_column(*other) == column);
    if (!aligned && !alone && !row) return false;
    text_at = at;
    tag = std::string(line.text.substr(0, g));
    return true;
  };
  if (gap != std::string_view::npos && fits(gap)) return true;
  // A tag that fills its column leaves one blank: "hourly Log files are ...".
  return single != std::string_view::npos && (single == 6 || single == 7) && next != nullptr &&
         !next->blank() && next->indent == line.indent + static_cast<int>(single) + 1 && fits(single);
}

bool abbreviation(std::string_view text, std::size_t dot) {
  static constexpr std::string_view kKnown[] = {"e.g", "i.e", "etc", "vs", "cf",     "eg",  "ie",  "resp",
                                                "Mr",  "Dr",  "St",  "No", "approx", "min", "max", "incl"};
  std::size_t begin = dot;
  while (begin > 0 && !is_blank(text[begin - 1]) && text[begin - 1] != '(') --begin;
  std::string_view word = text.substr(begin, dot - begin);
  if (word.size() == 1 && is_upper(word[0])) return true;  // an initial
  return std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown);
}

class Builder {
 public:
  explicit Builder(std::vector<Passage>& out) : out_(out) {}

  void append(std::int64_t number, std::string_view text) {
    if (!text_.empty()) text_ += ' ';
    starts_.emplace_back(static_cast<std::uint32_t>(text_.size()), number);
    for (std::size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      if (is_blank(c)) {
        if (!text_.empty() && text_.back() != ' ') text_ += ' ';
      } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
        text_ += c;
      }
    }
  }
  bool empty() const { return text_.empty(); }

  void flush(Passage proto) {
    if (text_.empty()) return;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      char c = text_[i];
      bool end = false;
      if ((c == '.' || c == '?' || c == '!') && i + 1 < text_.size()) {
        std::size_t j = i + 1;
        while (j < text_.size() &&
               (text_[j] == ')' || text_[j] == '"' || text_[j] == '\'' || text_[j] == '*' || text_[j] == '`'))
          ++j;
        if (j < text_.size() && text_[j] == ' ' && j + 1 < text_.size()) {
          char after = text_[j + 1];
          bool capital = is_upper(after) || is_digit(after) || after == '"' || after == '`' || after == '*' ||
                         after == '(' || after == '-' || after == '\'' ||
                         static_cast<unsigned char>(after) >= 0x80;
          if ((capital || c != '.') && !(c == '.' && abbreviation(text_, i))) {
            end = true;
            i = j - 1;
          }
        }
      }
      if (!end && i - begin > 900 && c == ' ') end = true;
      if (end) {
        sentence(proto, begin, i + 1);
        begin = i + 1;
        while (begin < text_.size() && text_[begin] == ' ') ++begin;
        i = begin == 0 ? 0 : begin - 1;
      }
    }
    sentence(proto, begin, text_.size());
    if (!proto.sentences.empty()) out_.push_back(std::move(proto));
    text_.clear();
    starts_.clear();
  }

 private:
  void sentence(Passage& passage, std::size_t begin, std::size_t end) {
    while (end > begin && text_[end - 1] == ' ') --end;
    if (end <= begin) return;
    Sentence s;
    s.text = text_.substr(begin, end - begin);
    for (const auto& [offset, number] : starts_) {
      if (offset <= begin) {
        s.line = number;
        s.line_at.assign(1, {0, number});
      } else if (offset < end) {
        s.line_at.emplace_back(static_cast<std::uint32_t>(offset - begin), number);
      }
    }
    passage.sentences.push_back(std::move(s));
  }

  std::vector<Passage>& out_;
  std::string text_;
  std::vector<std::pair<std::uint32_t, std::int64_t>> starts_;
};

/// The cells of a Markdown table's row, without the outer bars. "\\|" and bars in `code` stay inside a cell.
std::vector<std::string> cells_of(std::string_view row) {
  std::vector<std::string> cells(1);
  bool code = false;
  for (std::size_t i = 1; i < row.size(); ++i) {
    if (row[i] == '`') code = !code;
    if (row[i] == '\\' && i + 1 < row.size() && row[i + 1] == '|')
      cells.back() += row[++i];
    else if (row[i] == '|' && !code)
      cells.emplace_back();
    else
      cells.back() += row[i];
  }
  for (std::string& cell : cells)
    cell = squeeze(cell.substr(std::min(cell.size(), cell.find_first_not_of(' '))));
  if (cells.back().empty()) cells.pop_back();
  return cells;
}

bool is_table_rule(std::string_view text) {
  return text.starts_with("|") && text.find('-') != std::string_view::npos &&
         text.find_first_not_of("|-: ") == std::string_view::npos;
}

struct Level {
  int indent;
  std::string tag;
  std::int64_t line;
  bool fresh = true;
};

void run_of_lines(const std::string& path, const std::vector<View>& lines, std::vector<Passage>& out) {
  const bool fragment = lines.size() < 4 && lines.front().number > 1;
  std::vector<Level> stack;
  Level waiting{-1, {}, 0};  // the last term, while nothing has been said about it yet
  std::string section;
  std::int64_t section_line = 0;
  bool first_of_section = false;
  bool continuation = false;  // an AsciiDoc "+" line keeps the tag for the paragraph after it
  bool example = false;       // after a paragraph that ends with "::" or inside a fence
  bool fence = false;
  int paragraph_indent = -1;
  std::vector<std::string> columns;  // the heads of the table that this is in
  std::vector<std::pair<std::string, std::string>> row;
  Builder builder(out);
  auto flush = [&] {
    if (builder.empty()) return;
    waiting.indent = -1;
    Passage p;
    p.path = path;
    if (!stack.empty()) {
      p.tag = stack.back().tag;
      p.tag_line = stack.back().line;
      p.first_of_tag = stack.back().fresh;
      stack.back().fresh = false;
      for (std::size_t i = 0; i + 1 < stack.size(); ++i)
        p.outer += (p.outer.empty() ? "" : " / ") + stack[i].tag;
    }
    p.row = std::move(row);
    p.section = section;
    p.section_line = section_line;
    p.verbatim = fence || example;
    p.fragment = fragment;
    p.first_of_section = first_of_section;
    first_of_section = false;
    builder.flush(std::move(p));
    paragraph_indent = -1;
  };
  auto next_of = [&](std::size_t i) -> const View* { return i + 1 < lines.size() ? &lines[i + 1] : nullptr; };
  auto heading = [&](std::string_view text, std::int64_t number) {
    flush();
    stack.clear();
    section = squeeze(text);
    section_line = number;
    first_of_section = true;
    example = false;
  };

  for (std::size_t i = 0; i < lines.size(); ++i) {
    const View& line = lines[i];
    const View* next = next_of(i);
    if (line.text.starts_with("```") || line.text == "----" || line.text == "....") {
      bool underline = line.text == "----" && !builder.empty() && !fence;
      if (!underline) {
        flush();
        fence = !fence;
        continue;
      }
    }
    if (line.blank()) {
      flush();
      continue;
    }
    if (fence) {
      flush();
      builder.append(line.number, line.text);
      flush();
      continue;
    }
    // A row of a Markdown table explains its first cell; the heads of the columns stand around it.
    if (line.text.starts_with("| ") && line.text.ends_with("|")) {
      flush();
      if (next != nullptr && is_table_rule(next->text)) {
        columns = cells_of(line.text);
        ++i;
        continue;
      }
      std::vector<std::string> cells = cells_of(line.text);
      if (cells.size() >= 2) {
        while (!stack.empty() && line.indent <= stack.back().indent) stack.pop_back();
        stack.push_back({line.indent, cells.front(), line.number});
        std::string rest;
        for (std::size_t c = 1; c < cells.size(); ++c) {
          rest += (c == 1 ? "" : " | ") + cells[c];
          row.emplace_back(c < columns.size() ? columns[c] : std::string(), cells[c]);
        }
        builder.append(line.number, rest);
        flush();
        row.clear();
        stack.pop_back();
        continue;
      }
    } else {
      columns.clear();
    }
    if (is_rule(line.text)) {
      flush();
      continue;
    }
    if (line.text == "+") {
      flush();
      continuation = true;
      continue;
    }
    // Headings: "# text", "text" over a rule, capitals at the margin.
    if (line.indent == 0 && line.text.front() == '#' && line.text.find(' ') != std::string_view::npos &&
        line.text.find_first_not_of('#') < 7 && line.text[line.text.find_first_not_of('#')] == ' ' &&
        !path.ends_with(".conf") && !path.ends_with(".sh") && !path.ends_with(".example")) {
      heading(line.text.substr(line.text.find(' ') + 1), line.number);
      continue;
    }
    if (line.indent == 0 && line.text.front() == '=' && line.text.find(' ') != std::string_view::npos &&
        line.text.find_first_not_of('=') == line.text.find(' ')) {
      heading(line.text.substr(line.text.find(' ') + 1), line.number);
      continue;
    }
    if (next != nullptr && is_rule(next->text) && line.indent <= 4 && next->indent <= line.indent + 1 &&
        line.text.size() <= 160 && next->text.size() * 2 >= line.text.size() && builder.empty()) {
      heading(line.text, line.number);
      ++i;  // the rule, which might read as the start of a listing
      continue;
    }
    bool short_line =
        line.text.size() <= 70 && !ends_sentence(line.text) && line.text.find(". ") == std::string_view::npos;
    bool capitals =
        line.indent == 0 && short_line &&
        std::none_of(line.text.begin(), line.text.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
        std::any_of(line.text.begin(), line.text.end(), is_upper);
    bool subsection = line.indent <= 3 && short_line && builder.empty() && next != nullptr &&
                      !next->blank() && next->indent >= 5 && line.text.find("  ") == std::string_view::npos &&
                      !line.text.ends_with("::") && !line.text.ends_with(":");
    bool faq = short_line && builder.empty() && line.indent <= 2 && line.text.size() > 3 &&
               is_digit(line.text.front()) && line.text.back() == '?';
    if ((capitals && builder.empty()) || subsection || faq) {
      heading(line.text, line.number);
      continue;
    }
    // FAQ headings such as "2.13. Does chrony support PTP?", possibly over two lines.
    if (builder.empty() && is_digit(line.text.front()) && line.indent <= 2) {
      std::size_t d = line.text.find_first_not_of("0123456789.");
      if (d != std::string_view::npos && d >= 2 && line.text[d] == ' ' && line.text[d - 1] == '.') {
        std::string text(line.text.substr(d + 1));
        std::size_t j = i;
        while (text.find('?') == std::string::npos && j + 1 < lines.size() && !lines[j + 1].blank() &&
               j < i + 3)
          text += " " + std::string(lines[++j].text);
        if (j == i || text.ends_with('?')) {
          heading(text, line.number);
          i = j;
          continue;
        }
      }
    }

    // A note at the margin ("..  note::") interrupts an entry, it does not end it.
    if (line.text.starts_with(".. ") && line.text.find("::") != std::string_view::npos) {
      flush();
      std::string_view rest = line.text.substr(line.text.find("::") + 2);
      if (line.text.find("note") != std::string_view::npos ||
          line.text.find("warning") != std::string_view::npos ||
          line.text.find("important") != std::string_view::npos) {
        if (!rest.empty()) builder.append(line.number, rest);
        flush();
      }
      continue;
    }
    if (line.text.starts_with("$ ") || (line.text.starts_with("# ") && line.indent > 0)) {
      flush();
      bool before = example;
      example = true;
      builder.append(line.number, line.text);
      flush();
      example = before;
      continue;
    }
    std::size_t mark = 0;
    bool bullet = is_bullet(line.text, mark);
    // A shallower or equal line ends the terms above it.
    bool new_paragraph =
        builder.empty() || bullet ||
        (paragraph_indent >= 0 && (line.indent < paragraph_indent || line.indent > paragraph_indent + 1));
    if (new_paragraph) {
      flush();
      if (example && line.indent <= (stack.empty() ? 0 : stack.back().indent)) example = false;
      if (!continuation)
        while (!stack.empty() && line.indent <= stack.back().indent) stack.pop_back();
    }
    std::string tag;
    std::size_t text_at = 0;
    if (new_paragraph && !bullet && inline_tag(line, i > 0 ? &lines[i - 1] : nullptr, next, text_at, tag)) {
      stack.push_back({line.indent, tag, line.number});
      builder.append(line.number, line.text.substr(text_at));
      paragraph_indent = line.indent + static_cast<int>(text_at);
      continuation = false;
      continue;
    }
    if (new_paragraph && definition(line, next, i + 2 < lines.size() ? &lines[i + 2] : nullptr, tag)) {
      // Several terms in a row share one explanation.
      std::string name = squeeze(tag);
      if (waiting.indent == line.indent) name = waiting.tag + ", " + name;
      stack.push_back({line.indent, std::move(name), line.number});
      waiting = stack.back();
      if (stack.size() > 12) stack.erase(stack.begin());
      continuation = false;
      continue;
    }
    continuation = false;
    if (bullet && mark < line.text.size()) {
      std::string_view text = line.text.substr(mark);
      builder.append(line.number, text);
      paragraph_indent = line.indent + static_cast<int>(mark);
      if (next != nullptr && !next->blank() && next->indent > line.indent) paragraph_indent = next->indent;
      continue;
    }
    if (builder.empty()) paragraph_indent = line.indent;
    builder.append(line.number, line.text);
    if (line.text.ends_with("::")) {
      flush();
      example = true;
    }
  }
  flush();
}

}  // namespace

std::int64_t Sentence::line_of(std::size_t offset) const noexcept {
  std::int64_t found = line;
  for (const auto& [at, number] : line_at)
    if (at <= offset) found = number;
  return found;
}

std::vector<Passage> passages(const std::string& path, const Lines& lines) {
  std::vector<Passage> out;
  std::vector<View> run;
  auto flush = [&] {
    if (run.empty()) return;
    // A configuration file: its comments are its prose.
    std::size_t comments = 0, text = 0;
    for (const View& line : run) {
      text += line.blank() ? 0 : 1;
      comments +=
          !line.blank() && line.text.front() == '#' && (line.text.size() < 2 || line.text[1] != '!') ? 1 : 0;
    }
    bool markdown = path.ends_with(".md") || path.ends_with(".markdown");
    if (!markdown && text >= 3 && comments * 2 >= text)
      for (View& line : run)
        while (!line.text.empty() && (line.text.front() == '#' || line.text.front() == ' '))
          line.text.remove_prefix(1);
    run_of_lines(path, run, out);
    run.clear();
  };
  std::int64_t previous = -2;
  for (const auto& [number, text] : lines) {
    if (number != previous + 1) flush();
    run.push_back(view(number, text));
    previous = number;
  }
  flush();
  return out;
}

}  // namespace beluga::llm::offline_model
