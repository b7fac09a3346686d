#pragma once
/// How much each feature counts. Fitted, not set by hand: `offline_train` (tests/offline/README.md) prints
/// this table.

#include <array>
#include <string_view>

#include "beluga/llm/providers/offline/internal/features.hpp"

namespace beluga::llm::offline_model {

struct Weighted {
  Feature feature;
  std::string_view name;
  std::array<double, kGroups + 1> weights;  // shared; explain, value, find, how, say
};

inline constexpr std::array<Weighted, kFeatures> kTable{{
    // begin of the table
    {Feature::cover_sentence, "cover_sentence", {{1.27, 0.41, -0.31, 0.29, 0.60, -0.07}}},
    {Feature::cover_tag, "cover_tag", {{0.30, 0.17, 0.37, -0.28, -0.16, 0.04}}},
    {Feature::cover_entry, "cover_entry", {{1.44, 0.20, -0.05, 0.43, 0.71, 0.17}}},
    {Feature::cover_near, "cover_near", {{1.48, 0.25, 0.16, 0.35, 0.62, 0.05}}},
    {Feature::cover_all, "cover_all", {{2.43, 0.61, 0.21, 0.46, 0.54, 0.38}}},
    {Feature::cover_section, "cover_section", {{1.15, -0.18, 0.19, 0.06, 0.15, 0.33}}},
    {Feature::cover_outer, "cover_outer", {{-0.27, -0.00, -0.00, -0.13, -0.00, -0.00}}},
    {Feature::cover_square, "cover_square", {{1.20, 0.15, -0.36, 0.39, 0.61, 0.19}}},
    {Feature::rarest_here, "rarest_here", {{-1.24, -0.33, -0.50, -0.46, -0.43, -0.18}}},
    {Feature::rarest_missing, "rarest_missing", {{-1.61, -0.58, -0.49, 0.21, -0.30, -1.00}}},
    {Feature::complete, "complete", {{0.85, 0.71, -0.58, -0.25, 0.25, 0.52}}},
    {Feature::pairs, "pairs", {{1.53, -0.24, 0.26, 0.83, 0.05, -0.07}}},
    {Feature::proximity, "proximity", {{1.25, -0.04, 0.11, 0.66, 0.08, -0.09}}},
    {Feature::precision, "precision", {{0.35, -0.32, 0.09, 0.40, 0.08, -0.28}}},
    {Feature::bm25, "bm25", {{0.98, -0.22, 0.71, 0.02, 0.09, 0.11}}},
    {Feature::tag_precision, "tag_precision", {{0.59, 0.31, 0.40, -0.54, -0.19, 0.24}}},
    {Feature::tag_leads, "tag_leads", {{0.39, 0.06, 0.52, -0.14, -0.33, 0.07}}},
    {Feature::tag_name, "tag_name", {{0.44, 0.13, -0.04, 0.12, 0.37, -0.33}}},
    {Feature::tag_exact, "tag_exact", {{2.55, 0.83, 0.27, -0.22, 0.35, 0.18}}},
    {Feature::tag_first, "tag_first", {{0.69, 1.05, 0.06, -0.73, -0.06, 0.05}}},
    {Feature::tag_unasked, "tag_unasked", {{-1.51, -0.62, -0.00, 0.11, 0.00, -0.24}}},
    {Feature::section_first, "section_first", {{1.38, -0.29, 0.17, 0.32, -0.14, 0.66}}},
    {Feature::section_precision, "section_precision", {{-0.41, -0.16, 0.15, 0.37, -0.58, 0.04}}},
    {Feature::path_scope, "path_scope", {{1.59, 0.07, -0.12, 0.36, 0.01, 0.46}}},
    {Feature::path_elsewhere, "path_elsewhere", {{0.00, 0.00, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::base_precision, "base_precision", {{1.19, 0.15, 1.17, 0.44, -0.63, -0.51}}},
    {Feature::base_cover, "base_cover", {{1.01, 0.05, 0.23, 0.49, -0.05, -0.21}}},
    {Feature::manual_page, "manual_page", {{0.39, 0.49, -0.45, 0.17, -0.01, -0.02}}},
    {Feature::example_file, "example_file", {{-1.00, -0.00, -0.44, -0.04, -0.01, -0.01}}},
    {Feature::copyright_file, "copyright_file", {{-0.02, -0.00, -0.00, -0.00, -0.00, -0.01}}},
    {Feature::first_of_file, "first_of_file", {{-0.67, 0.72, -0.71, -0.00, -0.44, 0.10}}},
    {Feature::short_sentence, "short_sentence", {{-0.14, -0.09, -0.05, -0.00, -0.06, 0.14}}},
    {Feature::long_sentence, "long_sentence", {{-0.25, 0.42, 0.02, -0.36, -0.03, -0.18}}},
    {Feature::fragment, "fragment", {{-0.55, -0.31, 0.22, 0.17, -0.24, 0.01}}},
    {Feature::verbatim, "verbatim", {{-0.66, 0.01, -0.10, -0.53, 0.00, 0.29}}},
    {Feature::asks, "asks", {{-0.55, -0.00, -0.01, -0.00, -0.00, -0.27}}},
    {Feature::name_section, "name_section", {{-0.70, -0.01, -0.00, -0.05, -0.35, 0.06}}},
    {Feature::name_wanted, "name_wanted", {{0.00, 0.00, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::synopsis, "synopsis", {{0.01, -0.06, -0.04, -0.01, -0.03, 0.15}}},
    {Feature::see_also, "see_also", {{-0.37, -0.05, -0.00, -0.06, -0.00, -0.08}}},
    {Feature::code_line, "code_line", {{-0.17, -0.03, -0.04, -0.02, 0.00, 0.00}}},
    {Feature::phrase_row, "phrase_row", {{-1.40, -0.33, -0.38, -0.01, -0.00, 0.03}}},
    {Feature::column, "column", {{1.69, -0.09, -0.00, 0.00, 0.00, 0.94}}},
    {Feature::default_value, "default_value", {{1.47, 0.00, 0.79, 0.00, 0.00, 0.00}}},
    {Feature::default_free, "default_free", {{2.04, 0.00, 1.18, 0.00, 0.00, 0.00}}},
    {Feature::default_unfit, "default_unfit", {{-1.96, 0.00, -0.98, 0.00, 0.00, 0.00}}},
    {Feature::default_later, "default_later", {{-0.04, 0.00, -0.02, 0.00, 0.00, 0.00}}},
    {Feature::default_word, "default_word", {{0.41, 0.00, 0.20, 0.00, 0.00, 0.00}}},
    {Feature::default_none, "default_none", {{-0.80, 0.00, -0.40, 0.00, 0.00, 0.00}}},
    {Feature::default_near, "default_near", {{-1.44, 0.00, -0.72, 0.00, 0.00, 0.00}}},
    {Feature::number_near, "number_near", {{0.77, 0.00, 0.39, 0.00, 0.00, 0.00}}},
    {Feature::shape_here, "shape_here", {{1.41, 0.00, 0.21, 0.52, 0.00, 0.09}}},
    {Feature::shape_free, "shape_free", {{1.29, 0.00, 0.33, 0.34, 0.00, 0.07}}},
    {Feature::shape_tag, "shape_tag", {{-0.63, -0.00, -0.09, -0.22, 0.00, 0.00}}},
    {Feature::shape_missing, "shape_missing", {{-1.29, -0.00, -0.33, -0.34, 0.00, -0.07}}},
    {Feature::number_default, "number_default", {{-0.08, 0.00, -0.04, 0.00, 0.00, 0.00}}},
    {Feature::path_rooted, "path_rooted", {{1.61, 0.00, 0.70, 0.09, 0.00, 0.00}}},
    {Feature::who_named, "who_named", {{0.06, 0.00, 0.00, 0.03, 0.00, 0.00}}},
    {Feature::who_section, "who_section", {{0.29, 0.00, 0.00, 0.14, 0.00, 0.00}}},
    {Feature::who_copyright, "who_copyright", {{-0.18, 0.00, 0.00, -0.09, 0.00, 0.00}}},
    {Feature::option_entry, "option_entry", {{0.61, 0.00, 0.00, 0.30, 0.00, 0.00}}},
    {Feature::option_dash, "option_dash", {{-0.85, 0.00, 0.00, -0.42, 0.00, 0.00}}},
    {Feature::how_code, "how_code", {{0.61, 0.00, 0.00, 0.00, 0.31, 0.00}}},
    {Feature::how_section, "how_section", {{-0.29, 0.00, 0.00, 0.00, -0.14, 0.00}}},
    {Feature::verdict, "verdict", {{1.36, 0.00, 0.00, 0.00, 0.00, 0.68}}},
    {Feature::faq, "faq", {{1.11, 0.00, 0.00, 0.00, 0.00, 0.55}}},
    {Feature::defines, "defines", {{1.85, 0.92, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::starts_with, "starts_with", {{-0.54, -0.27, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::is_a, "is_a", {{0.05, 0.02, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::first_sentence, "first_sentence", {{0.63, 0.31, 0.00, 0.00, 0.00, 0.00}}},
    {Feature::outcome, "outcome", {{-0.11, 0.00, 0.00, 0.00, 0.00, -0.06}}},
    // end of the table
}};

}  // namespace beluga::llm::offline_model
