#include <algorithm>

#include "beluga/llm/providers/offline/internal/evidence.hpp"

namespace beluga::llm::offline_model {

namespace {

// What a hostile document may make of the names above a passage, each of which is copied into it.
constexpr std::size_t kMostTag = 400;   // bytes of a term with its fellows, of a heading, of a column's head
constexpr std::size_t kMostTerms = 12;  // one inside the other

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
    start_ = 0;
  }

 private:
  void sentence(Passage& passage, std::size_t begin, std::size_t end) {
    while (end > begin && text_[end - 1] == ' ') --end;
    if (end <= begin) return;
    Sentence s;
    s.text = text_.substr(begin, end - begin);
    // Sentences come in order: each begins in the line of the one before it, or later.
    while (start_ + 1 < starts_.size() && starts_[start_ + 1].first <= begin) ++start_;
    s.line = starts_[start_].second;
    s.line_at.assign(1, {0, s.line});
    for (std::size_t k = start_ + 1; k < starts_.size() && starts_[k].first < end; ++k)
      s.line_at.emplace_back(static_cast<std::uint32_t>(starts_[k].first - begin), starts_[k].second);
    passage.sentences.push_back(std::move(s));
  }

  std::vector<Passage>& out_;
  std::string text_;
  std::vector<std::pair<std::uint32_t, std::int64_t>> starts_;
  std::size_t start_ = 0;  // of them, that in which the last sentence began
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
    section = squeeze(text.substr(0, kMostTag));
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
        for (std::string& column : columns) column.resize(std::min(column.size(), kMostTag));
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
      if (stack.size() > kMostTerms) stack.erase(stack.begin());
      builder.append(line.number, line.text.substr(text_at));
      paragraph_indent = line.indent + static_cast<int>(text_at);
      continuation = false;
      continue;
    }
    if (new_paragraph && definition(line, next, i + 2 < lines.size() ? &lines[i + 2] : nullptr, tag)) {
      // Several terms in a row share one explanation.
      std::string name = squeeze(tag);
      if (waiting.indent == line.indent && waiting.tag.size() + name.size() < kMostTag)
        name = waiting.tag + ", " + name;
      stack.push_back({line.indent, std::move(name), line.number});
      waiting = stack.back();
      if (stack.size() > kMostTerms) stack.erase(stack.begin());
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
