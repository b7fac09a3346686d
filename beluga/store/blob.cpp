#include "beluga/store/blob.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr std::string_view kPrefix = "sha256:";
using Digest = std::array<unsigned char, 32>;

Digest digest_of(std::string_view content) {
  Digest digest{};
  unsigned size = 0;
  if (EVP_Digest(content.data(), content.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
      size != digest.size())
    throw Error(ErrorCode::internal, "SHA-256 is not available in this build of OpenSSL");
  return digest;
}

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string id_of(const Digest& digest) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id(kPrefix);
  for (const unsigned char byte : digest) {
    id += kHex[byte >> 4U];
    id += kHex[byte & 15U];
  }
  return id;
}

Digest parse_id(std::string_view id) {
  const auto nibble = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  Digest digest{};
  const bool shaped =
      id.size() == kPrefix.size() + 2 * digest.size() && id.substr(0, kPrefix.size()) == kPrefix;
  for (std::size_t i = 0; shaped && i < digest.size(); ++i) {
    const int high = nibble(id[kPrefix.size() + 2 * i]);
    const int low = nibble(id[kPrefix.size() + 2 * i + 1]);
    if (high < 0 || low < 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is not a blob id", id));
    digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  if (!shaped) throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is not a blob id", id));
  return digest;
}

}  // namespace

std::string blob_id(std::string_view content) {
  return id_of(digest_of(content));
}

std::string put_blob(Connection& connection, std::string_view owner, std::string_view content) {
  const Digest digest = digest_of(content);
  const Bytes hash{bytes_of(digest)};
  // Looked up first: INSERT OR IGNORE would read the whole content into a record before it notices.
  if (!connection.query("SELECT 1 FROM blobs WHERE hash = ?", {hash}).maybe_integer())
    connection.execute("INSERT INTO blobs(hash, data) VALUES (?, ?)", {hash, Bytes{content}});
  connection.execute("INSERT OR IGNORE INTO blob_refs(owner, hash) VALUES (?, ?)", {owner, hash});
  return id_of(digest);
}

std::string get_blob(Connection& connection, std::string_view id) {
  const Digest digest = parse_id(id);
  Query found = connection.query("SELECT data FROM blobs WHERE hash = ?", {Bytes{bytes_of(digest)}});
  if (!found.next()) throw Error(ErrorCode::not_found, fmt::format("blob '{}' is not in the database", id));
  std::string content(found.blob(0));
  if (digest_of(content) != digest)
    throw Error(ErrorCode::data_loss,
                fmt::format("blob '{}' was changed on disk; restore a backup of the database", id));
  return content;
}

void release_blobs(Connection& connection, std::string_view owner) {
  connection.execute(
      "DELETE FROM blobs WHERE hash IN (SELECT hash FROM blob_refs WHERE owner = ?1) AND NOT EXISTS "
      "(SELECT 1 FROM blob_refs r WHERE r.hash = blobs.hash AND r.owner <> ?1)",
      {owner});
  connection.execute("DELETE FROM blob_refs WHERE owner = ?", {owner});
}

}  // namespace beluga
