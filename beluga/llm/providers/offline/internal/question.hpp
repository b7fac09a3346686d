#pragma once
/// What is asked: the clauses of a request, the terms that carry its subject, and the kind of answer that
/// would do.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/llm/providers/offline/internal/values.hpp"
#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm::offline_model {

/// One subject term. A compound name ("max_queued_messages") is one term of several stems that must stand in
/// a row.
struct Term {
  std::vector<std::string> stems;
  std::string surface;  ///< as it was written
  double weight = 1.0;  ///< how much it says about the subject
  bool entity = false;  ///< a proper name, acronym, identifier or quotation: an answer without it is suspect
  bool option = false;  ///< "-s" or "--size": taken by the letter, -s is not -S
  bool phrase = false;  ///< "get rid of": only the words together mean it
  std::size_t position = 0;  ///< index among the clause's words
};

enum class Kind : std::uint8_t {
  fact,
  default_value,
  number,
  who,
  place,
  option,
  how_to,
  yes_no,
  definition,
  when
};

struct Question {
  std::string text;         ///< the clause, white space squeezed
  std::vector<Term> terms;  ///< subject terms in order, without duplicates
  Kind kind = Kind::fact;
  Shape shape = Shape::any;         ///< what the answer must look like
  bool numeric = false;             ///< "how many", "how long", "which port": a figure is wanted
  bool path = false;                ///< "which file", "where ... stored": a path is wanted
  bool outcome = false;             ///< "what happens when ...": not what the thing is
  std::vector<std::string> quoted;  ///< "..." and `...` in the clause
  double total_weight() const noexcept;
};

Question analyse(std::string_view clause);

/// Splits a request into clauses that can be answered one by one: at sentence ends, and at "and" where both
/// sides read like a request of their own. At most `limit`; the rest stays with the last.
std::vector<std::string> split_clauses(std::string_view request, std::size_t limit = 4);

/// A long message is a document with a question before or after it.
struct Split {
  std::string question;
  std::string document;
};
Split split_document(std::string_view message);

/// "Who are you?", "What can you do?", "Are you GPT-4?"
bool asks_about_model(std::string_view text);
bool is_greeting(std::string_view text);

}  // namespace beluga::llm::offline_model
