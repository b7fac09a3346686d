#pragma once
/// Blobs: binary content addressed by its SHA-256, stored once however often it is used.
///
/// Messages reference images, audio and documents by blob id ("sha256:" and 64 hex digits) instead of
/// carrying them. An owner (a session, say) holds references; when the last owner lets go, the content is
/// deleted.
///
///     db->write([&](Connection& c) { image.data.url = put_blob(c, "session/01J...", png); });
///
/// Call inside a transaction of `Database`. Errors: those of Database; not_found and data_loss from get_blob.

#include <string>
#include <string_view>

#include "beluga/store/database.hpp"

namespace beluga {

/// "sha256:" and the digest in lower-case hex.
std::string blob_id(std::string_view content);
/// Stores `content` unless it is there, adds `owner`'s reference and returns its id.
std::string put_blob(Connection& connection, std::string_view owner, std::string_view content);
/// The content. Error{not_found} without it, Error{data_loss} when it no longer matches its id.
std::string get_blob(Connection& connection, std::string_view id);
/// Drops all references of `owner` and deletes what nobody references any more.
void release_blobs(Connection& connection, std::string_view owner);

}  // namespace beluga
