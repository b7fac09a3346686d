#pragma once
/// How much each feature counts. Fitted, not set by hand: `offline_train` (tests/offline/README.md) prints
/// this table.

#include <array>
#include <string_view>

#include "beluga/llm/providers/offline/internal/features.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"

namespace beluga::llm::offline_model {

struct Weighted {
  Feature feature;
  std::string_view name;
  std::array<double, kGroups + 1> weights;  // shared; explain, value, find, how, say
};

inline constexpr std::array<Weighted, kFeatures> kTable{{
    // begin of the table
    {Feature::cover_sentence, "cover_sentence", {{-0.15, -0.08, -0.24, 0.11, 0.22, -0.10}}},
    {Feature::cover_exact, "cover_exact", {{0.69, 0.07, 0.12, 0.18, -0.03, 0.01}}},
    {Feature::cover_tag, "cover_tag", {{0.27, 0.13, 0.13, -0.05, -0.10, 0.02}}},
    {Feature::cover_entry, "cover_entry", {{0.52, -0.06, -0.05, 0.19, 0.17, -0.00}}},
    {Feature::cover_near, "cover_near", {{1.29, -0.08, 0.19, 0.20, 0.30, 0.07}}},
    {Feature::cover_all, "cover_all", {{2.07, 0.08, 0.19, 0.19, 0.28, 0.32}}},
    {Feature::cover_head, "cover_head", {{-0.01, -0.15, -0.08, 0.11, 0.07, 0.02}}},
    {Feature::cover_unit, "cover_unit", {{0.17, -0.21, -0.07, 0.01, 0.16, 0.13}}},
    {Feature::unit_exact, "unit_exact", {{0.76, -0.13, 0.24, 0.00, 0.06, 0.21}}},
    {Feature::unit_square, "unit_square", {{0.52, -0.20, -0.09, 0.07, 0.22, 0.24}}},
    {Feature::cover_section, "cover_section", {{0.36, 0.05, 0.14, -0.00, -0.12, 0.11}}},
    {Feature::cover_outer, "cover_outer", {{0.39, 0.15, 0.06, -0.01, -0.00, -0.00}}},
    {Feature::cover_square, "cover_square", {{0.66, -0.04, -0.02, 0.21, 0.15, 0.06}}},
    {Feature::rarest_here, "rarest_here", {{-0.01, -0.09, -0.09, 0.43, 0.02, -0.29}}},
    {Feature::rarest_missing, "rarest_missing", {{-1.08, -0.16, 0.15, -0.29, -0.03, -0.20}}},
    {Feature::complete, "complete", {{-0.16, 0.01, -0.35, 0.26, -0.06, 0.07}}},
    {Feature::pairs, "pairs", {{0.19, -0.11, -0.09, 0.39, -0.28, 0.17}}},
    {Feature::proximity, "proximity", {{0.57, -0.03, -0.08, 0.25, 0.19, -0.05}}},
    {Feature::precision, "precision", {{0.73, 0.05, -0.18, 0.25, 0.24, -0.01}}},
    {Feature::bm25, "bm25", {{2.04, 0.25, 0.37, 0.18, 0.13, 0.20}}},
    {Feature::entry, "entry", {{-0.52, 0.17, -0.20, -0.04, 0.04, -0.22}}},
    {Feature::unit_first, "unit_first", {{0.42, 0.44, -0.44, 0.29, -0.08, 0.00}}},
    {Feature::head_first, "head_first", {{0.25, 0.17, -0.12, 0.13, 0.18, -0.24}}},
    {Feature::tag_precision, "tag_precision", {{1.27, 0.04, 0.18, 0.02, -0.09, 0.48}}},
    {Feature::tag_leads, "tag_leads", {{0.36, 0.12, 0.24, -0.04, -0.25, 0.10}}},
    {Feature::tag_name, "tag_name", {{-0.15, 0.17, -0.13, 0.06, 0.02, -0.20}}},
    {Feature::tag_exact, "tag_exact", {{0.82, 0.08, 0.16, 0.02, 0.04, 0.12}}},
    {Feature::tag_first, "tag_first", {{0.26, 0.18, 0.02, -0.13, 0.01, 0.05}}},
    {Feature::tag_unasked, "tag_unasked", {{-0.00, -0.15, -0.00, 0.02, 0.00, 0.13}}},
    {Feature::section_first, "section_first", {{0.62, 0.00, 0.07, 0.05, 0.04, 0.15}}},
    {Feature::section_precision, "section_precision", {{0.70, 0.18, 0.36, 0.26, -0.55, 0.09}}},
    {Feature::path_scope, "path_scope", {{0.89, 0.05, 0.19, 0.06, 0.14, 0.00}}},
    {Feature::path_elsewhere, "path_elsewhere", {{0.00, 0.00, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::page_named, "page_named", {{0.34, -0.01, 0.16, 0.03, -0.15, 0.13}}},
    {Feature::base_precision, "base_precision", {{1.20, 0.16, 0.55, 0.09, -0.01, -0.19}}},
    {Feature::base_cover, "base_cover", {{0.35, -0.01, 0.12, 0.07, 0.00, -0.01}}},
    {Feature::manual_page, "manual_page", {{0.39, 0.16, -0.01, -0.04, 0.15, -0.06}}},
    {Feature::example_file, "example_file", {{-0.41, -0.05, -0.19, 0.13, -0.05, -0.04}}},
    {Feature::prose_file, "prose_file", {{0.18, 0.05, 0.21, -0.20, 0.06, -0.04}}},
    {Feature::copyright_file, "copyright_file", {{-0.08, 0.00, -0.02, -0.00, -0.00, -0.01}}},
    {Feature::first_of_file, "first_of_file", {{-0.36, 0.37, -0.55, 0.11, -0.30, 0.18}}},
    {Feature::short_sentence, "short_sentence", {{0.10, 0.07, -0.03, 0.01, -0.02, 0.01}}},
    {Feature::long_sentence, "long_sentence", {{-0.30, -0.04, -0.19, -0.11, -0.10, 0.28}}},
    {Feature::fragment, "fragment", {{-0.12, -0.01, -0.02, -0.01, -0.00, -0.02}}},
    {Feature::verbatim, "verbatim", {{-0.90, -0.01, -0.20, -0.22, 0.00, -0.01}}},
    {Feature::asks, "asks", {{-0.09, 0.00, -0.01, -0.00, 0.00, -0.03}}},
    {Feature::name_section, "name_section", {{-0.14, -0.00, -0.03, -0.01, -0.03, 0.00}}},
    {Feature::name_wanted, "name_wanted", {{-0.00, -0.00, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::synopsis, "synopsis", {{-0.07, 0.01, -0.04, -0.00, -0.01, 0.01}}},
    {Feature::see_also, "see_also", {{-0.05, -0.01, -0.01, -0.01, -0.00, -0.00}}},
    {Feature::code_line, "code_line", {{-0.06, -0.01, -0.02, -0.00, 0.00, -0.00}}},
    {Feature::phrase_row, "phrase_row", {{-0.38, -0.05, -0.14, -0.01, -0.00, 0.01}}},
    {Feature::column, "column", {{0.95, -0.02, -0.01, -0.00, 0.00, 0.50}}},
    {Feature::default_value, "default_value", {{0.57, 0.00, 0.28, 0.00, 0.00, 0.00}}},
    {Feature::default_free, "default_free", {{0.82, 0.00, 0.41, 0.00, 0.00, 0.00}}},
    {Feature::default_unfit, "default_unfit", {{0.19, 0.00, 0.10, 0.00, 0.00, 0.00}}},
    {Feature::default_later, "default_later", {{0.01, 0.00, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::default_word, "default_word", {{-0.14, 0.00, -0.07, 0.00, 0.00, 0.00}}},
    {Feature::default_none, "default_none", {{-0.88, 0.00, -0.44, 0.00, 0.00, 0.00}}},
    {Feature::default_near, "default_near", {{0.20, 0.00, 0.10, 0.00, 0.00, 0.00}}},
    {Feature::number_near, "number_near", {{0.74, 0.00, 0.37, 0.00, 0.00, 0.00}}},
    {Feature::shape_here, "shape_here", {{0.83, 0.00, 0.29, 0.04, 0.00, 0.08}}},
    {Feature::shape_free, "shape_free", {{0.95, 0.00, 0.32, 0.02, 0.00, 0.14}}},
    {Feature::shape_tag, "shape_tag", {{0.16, -0.00, -0.02, 0.00, 0.00, 0.09}}},
    {Feature::shape_missing, "shape_missing", {{-0.95, -0.00, -0.32, -0.02, 0.00, -0.14}}},
    {Feature::value_head, "value_head", {{1.11, 0.00, 0.56, 0.00, 0.00, 0.00}}},
    {Feature::number_default, "number_default", {{1.11, 0.00, 0.56, 0.00, 0.00, 0.00}}},
    {Feature::path_rooted, "path_rooted", {{1.51, 0.00, 0.58, 0.17, 0.00, 0.00}}},
    {Feature::who_named, "who_named", {{0.01, 0.00, 0.00, 0.01, 0.00, 0.00}}},
    {Feature::who_section, "who_section", {{0.04, 0.00, 0.00, 0.02, 0.00, 0.00}}},
    {Feature::who_copyright, "who_copyright", {{0.06, 0.00, 0.00, 0.03, 0.00, 0.00}}},
    {Feature::option_entry, "option_entry", {{-0.41, 0.00, 0.00, -0.20, 0.00, 0.00}}},
    {Feature::option_dash, "option_dash", {{-0.29, 0.00, 0.00, -0.14, 0.00, 0.00}}},
    {Feature::how_code, "how_code", {{0.27, 0.00, 0.00, 0.00, 0.14, 0.00}}},
    {Feature::how_section, "how_section", {{0.09, 0.00, 0.00, 0.00, 0.04, 0.00}}},
    {Feature::verdict, "verdict", {{0.36, 0.00, 0.00, 0.00, 0.00, 0.18}}},
    {Feature::faq, "faq", {{0.32, 0.00, 0.00, 0.00, 0.00, 0.16}}},
    {Feature::defines, "defines", {{0.20, 0.10, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::starts_with, "starts_with", {{-0.01, -0.01, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::is_a, "is_a", {{-0.16, -0.08, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::first_sentence, "first_sentence", {{0.16, 0.08, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::outcome, "outcome", {{0.29, 0.00, 0.00, 0.00, 0.00, 0.15}}},
    // end of the table
}};

struct WeightedSign {
  Sign sign;
  std::string_view name;
  double weight;
};

inline constexpr std::array<WeightedSign, kSigns> kSignTable{{
    // begin of the signs
    {Sign::constant, "constant", -0.28},
    {Sign::coverage, "coverage", 0.75},
    {Sign::missing, "missing", -1.09},
    {Sign::missing_names, "missing_names", -0.84},
    {Sign::rarest_missing, "rarest_missing", -1.26},
    {Sign::unsaid, "unsaid", -1.46},
    {Sign::unknown, "unknown", -0.87},
    {Sign::cover_sentence, "cover_sentence", -0.11},
    {Sign::cover_unit, "cover_unit", 0.81},
    {Sign::unit_exact, "unit_exact", 1.44},
    {Sign::strength, "strength", 1.13},
    {Sign::score, "score", 0.96},
    {Sign::margin, "margin", 1.03},
    {Sign::shape_missing, "shape_missing", -0.70},
    {Sign::default_none, "default_none", -0.04},
    {Sign::subject_tag, "subject_tag", 0.14},
    {Sign::scoped, "scoped", -0.37},
    // end of the signs
}};

}  // namespace beluga::llm::offline_model
