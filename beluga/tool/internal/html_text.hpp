#pragma once
/// HTML reduced to what a person would read: one line for each block, without scripts, styles and markup.
///
///     html_text("<h1>Fibers</h1><p>A fiber <b>parks</b>.</p>");       // "Fibers\nA fiber parks.\n"
///
/// A reader for hostile pages, not a browser: one pass, linear in the input, nothing fetched, nothing run.
/// What is not well formed is read as the tokenizer of the HTML standard would, or left out.

#include <string>
#include <string_view>

namespace beluga::detail {

std::string html_text(std::string_view html);

}  // namespace beluga::detail
