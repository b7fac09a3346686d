#pragma once
/// "Did you mean ...?" for every name that can be mistyped: keys, tools, providers, flags.
///
///     throw Error(ErrorCode::not_found, "no tool is called '" + name + "'" + did_you_mean(name, known));

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace beluga {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
/// alignment, Damerau 1964), on bytes, without regard to ASCII case. Returns `limit + 1` as soon as it is
/// known to be more than `limit`.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit = 64);

/// The known name nearest to `name`, empty when none is near (a third of its length, at most 3 edits). A name
/// that only differs in '-' and '_', or of which `name` is a part of four letters or more, is near too.
std::string_view nearest_name(std::string_view name, std::span<const std::string> known);
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

/// "; did you mean 'x'?" or, when nothing is near, "; known: a, b, c" (the first ten), or "" when nothing is
/// known.
std::string did_you_mean(std::string_view name, std::span<const std::string> known);
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

}  // namespace beluga
