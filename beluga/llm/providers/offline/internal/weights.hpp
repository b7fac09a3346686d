#pragma once
/// What counts how much when sentences are ranked. All in one place, in units of the score: 1 is full
/// coverage of the question's subject. Set by hand on the development questions of tests/offline, never on
/// the held-out ones.

namespace beluga::llm::offline_model {

struct Weights {
  // Where a word of the question stands, against 1 for the sentence itself.
  double in_tag = 0.95, in_section = 0.75, in_outer_tag = 0.6, in_column = 0.95, next_sentence = 0.75,
         near_sentence = 0.6, same_entry = 0.65, next_paragraph = 0.45;
  // Coverage: rarity, words that occur nowhere, proper names that are missing here, another file's subject,
  // half a compound.
  double rarity_floor = 0.4, absent = 1.3, missing_name = 0.75, elsewhere = 0.6, half_compound = 0.85;
  // What the sentence adds itself, neighbouring words, the part of a bonus that needs no subject.
  double local = 0.45, pair = 0.08, bonus_floor = 0.2;
  // Entries: the tag begins with the subject, is the subject, this is the first thing said about it.
  double tag_leads_name = 0.25, tag_leads_word = 0.15, tag_leads_first = 0.05, tag_exact = 0.35,
         tag_explained = 0.2, option_tag = -0.15;
  // What is hardly an answer.
  double fragment = -0.25, verbatim = -0.12, question = -0.5, name_section = -0.2, synopsis = -0.4,
         too_short = -0.3, copyright = -0.3, see_also = -0.6, phrase_row = -0.15, code = -0.2;
  // The kind of answer that is wanted.
  double default_value = 0.5, default_unfit = -0.1, default_path = 0.25, default_later = 0.2,
         default_word = 0.08, number_missing = -0.3;
  double outcome = 0.15;     // "what happens when": the sentence tells of an error, an end, a condition
  double rooted_path = 0.2;  // "where": a path from the root or the home says more than a name
  double column = 0.3;       // a table's row with a column of what is asked
  double number_default = 0.25, number = 0.2, number_word = 0.12, number_later = 0.15, number_none = -0.1,
         when = 0.2, who_named = 0.4, who = 0.15;
  double path = 0.3, path_none = -0.2, option_entry = 0.25, option_dash = 0.15, how_code = 0.15,
         how_first = 0.1, faq_first = 0.35, verdict = 0.3;
  double defines = 0.45, starts_with = 0.12, is_a = 0.08, first_sentence = 0.08, name_line = 0.4;
};

inline constexpr Weights weights;

}  // namespace beluga::llm::offline_model
