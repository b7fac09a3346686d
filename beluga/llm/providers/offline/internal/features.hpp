#pragma once
/// What speaks for and against a sentence as an answer, as numbers. The ranking is a weighted sum of them
/// (weights.hpp); every feature is about 0 to 1, and knows nothing of any particular document.

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

/// What is known beyond the passages, by the surface of the terms.
struct Hints {
  std::set<std::string> absent;  ///< never occurred anywhere that was searched
  std::set<std::string>
      scope;  ///< names a folder or a manual page: an answer from elsewhere is about something else
};

enum class Feature : unsigned char {
  // How much of the subject is where. "Subject": the terms of the question but for the names of files.
  cover_sentence,  // in the sentence
  cover_exact,     // the words themselves, no synonyms, in the sentence or the term that is explained
  cover_tag,       // in the term that the passage explains
  cover_entry,     // in either
  cover_near,      // also in sentences and passages around
  cover_all,       // also in headings and the path
  cover_head,      // in the term or the first sentence about it
  cover_unit,      // in all that is said about the term
  unit_exact,      // the same, the words themselves
  unit_square,     // cover_unit squared
  cover_section,   // in the heading
  cover_outer,     // in the terms around the passage's own
  cover_square,    // cover_entry squared: the last missing word counts most
  rarest_here,     // the rarest term is in the entry
  rarest_missing,  // the rarest term is nowhere around
  complete,        // every term of weight is in the entry
  pairs,           // neighbours in the question are neighbours here
  proximity,       // the matched terms stand close together
  precision,       // part of the sentence's words that the question has
  bm25,            // Robertson and Zaragoza 2009, over the passages at hand, against the best of them
  // The term that is explained.
  entry,          // there is one
  unit_first,     // the first sentence about it
  head_first,     // the same, times cover_head
  tag_precision,  // part of its words that the question has
  tag_leads,      // begins with the subject
  tag_name,       // begins with a name or an option of the question
  tag_exact,      // is the subject
  tag_first,      // first sentence about a term, times cover_tag
  tag_unasked,    // an option of a command line, and none was asked for
  // Where it stands.
  section_first,  // first sentence under a heading, times cover_section
  section_precision,
  path_scope,      // the file is of the program that is asked about
  path_elsewhere,  // it is of another one
  page_named,      // all words of the file's name are in the question: "git daemon" and git-daemon.1
  base_precision,  // part of the file name's words that the question has
  base_cover,      // subject terms in the file name
  manual_page,
  example_file,
  prose_file,
  copyright_file,
  first_of_file,
  short_sentence,
  long_sentence,
  fragment,
  verbatim,
  asks,  // it is a question itself
  name_section,
  name_wanted,  // the NAME line of a manual page, where the question is what the program does
  synopsis,
  see_also,
  code_line,
  phrase_row,  // a table's row headed by a phrase
  column,      // a table's row with a column of what is asked
  // The kind of answer.
  default_value,  // names a default of the wanted kind, times the subject here
  default_free,   // the same, not times anything
  default_unfit,
  default_later,
  default_word,
  default_none,  // a default is wanted, none is spoken of
  default_near,  // the subject within a few words of "default"
  number_near,   // the subject within a few words of a figure, where one is wanted
  shape_here,    // a value of the wanted shape, times the subject here
  shape_free,
  shape_tag,  // the tag has the wanted shape
  shape_missing,
  value_head,      // a value of the wanted kind, times cover_head
  number_default,  // a number is wanted, and the sentence has one as a default
  path_rooted,
  who_named,
  who_section,
  who_copyright,
  option_entry,
  option_dash,
  how_code,
  how_section,
  verdict,
  faq,
  defines,
  starts_with,
  is_a,
  first_sentence,
  outcome,
  count
};
inline constexpr std::size_t kFeatures = static_cast<std::size_t>(Feature::count);
using Features = std::array<double, kFeatures>;

/// Questions that want features weighed alike. The weight of a feature is a shared one and one of the group.
enum class Group : unsigned char { explain, value, find, how, say, count };
inline constexpr std::size_t kGroups = static_cast<std::size_t>(Group::count);
Group group_of(const Question& question) noexcept;

/// A sentence that may answer.
struct Candidate {
  std::size_t passage = 0;
  std::size_t sentence = 0;
  std::size_t unit = 0;  ///< sentences about one thing have one number
  double score = 0;
  /// How far the question's subject is covered here and around, 0 to 1.
  double coverage = 0;
  double missing = 0;        ///< part of it that is nowhere around
  double missing_names = 0;  ///< how many names are nowhere around
  double unsaid = 0;         ///< part of it that no passage says in its own words
  double unknown = 0;        ///< part of it that no passage says in any
  double strength = 0;       ///< BM25 against what a perfect passage would have
  Features features{};
};

/// The sentences that have something of the subject, with their features; not scored.
std::vector<Candidate> candidates(const Question& question, const std::vector<Passage>& passages,
                                  const Hints& hints);

}  // namespace beluga::llm::offline_model
