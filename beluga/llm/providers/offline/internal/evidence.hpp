#pragma once
/// Evidence: lines of documents, collected from tool results and given texts, and the passages they form.
///
/// A result is only ever evidence: nothing in it is executed or obeyed. One thing it can do: a path that a
/// search result names may be read with the caller's read tool, whose own root is the bound.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm::offline_model {

/// The name of a text that came with the request: cited like a path, read by no tool.
inline constexpr std::string_view kGivenText = "your message";

/// What is known of one document: some of its lines, by number.
using Lines = std::map<std::int64_t, std::string>;

struct Evidence {
  std::map<std::string, Lines> documents;  ///< by path or by the name of the tool that said it
  void add(const std::string& path, std::int64_t line, std::string_view text);
  std::size_t line_count() const noexcept;
};

/// A hit as search tools print it: "path:12: text", "path:12:7: text", "path-12- text".
struct Hit {
  std::string path;
  std::int64_t line = 0;
  std::string text;
};
/// Hits in a tool result, whatever its form: grep lines, grouped lines under a path, JSON objects with path
/// and line.
std::vector<Hit> parse_hits(std::string_view content);
/// The text of a file as read tools return it: numbered lines in the usual forms, or plain text from
/// `first_line` on.
std::vector<Hit> parse_file(std::string_view content, const std::string& path, std::int64_t first_line);
/// Paths in a listing, one per line or in a JSON array. Directories end with '/'.
std::vector<std::string> parse_listing(std::string_view content);

/// Sizes in bytes, where a listing has them: "guide.md (1200 bytes)".
std::vector<std::pair<std::string, std::int64_t>> parse_sizes(std::string_view content);

struct Sentence {
  std::string text;
  std::int64_t line = 0;                                        ///< where it starts
  std::vector<std::pair<std::uint32_t, std::int64_t>> line_at;  ///< byte offset in text -> line
  std::int64_t line_of(std::size_t offset) const noexcept;
};
/// A paragraph with what stands above it.
struct Passage {
  std::string path;
  std::vector<Sentence> sentences;
  std::string tag;  ///< the term it explains: "-l limit", "`--keep-index`", "missingok"
  std::int64_t tag_line = 0;
  std::string outer;    ///< tags around that one
  std::string section;  ///< nearest heading, or the FAQ question
  std::int64_t section_line = 0;
  /// Of a table's row, whose first cell is the tag: the heads of the other columns and their
  /// cells. A head is empty when the table was not read from its top.
  std::vector<std::pair<std::string, std::string>> row;
  bool first_of_tag = false;  ///< the first thing said about the tag
  bool verbatim = false;      ///< code or an example
  bool first_of_section = false;
  bool fragment = false;  ///< a hit alone: what stands around it is not known
};
std::vector<Passage> passages(const std::string& path, const Lines& lines);

}  // namespace beluga::llm::offline_model
