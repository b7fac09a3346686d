#pragma once
/// Takes secrets out of text that goes to logs, traces and models.
///
/// Known by their shape: keys of the usual providers (sk-, AKIA, ghp_, AIza, xoxb-, ...), JWTs, private key
/// blocks; and by their place: `Authorization` and `Cookie` headers, "Bearer ...", user:password@ in URLs,
/// and values of names such as api_key, access_token, client_secret or password ("name": "value", name=value,
/// name: value). A safety net for text of unknown origin; the first defence is to keep secrets in `Secret`.

#include <string>
#include <string_view>

namespace beluga {

/// `text` with each secret replaced by "[redacted]". One pass, linear in the length of the text.
std::string redact(std::string_view text);

/// Whether redact() would change `text`.
bool looks_secret(std::string_view text);

/// Whether a value called `name` is a secret ("api_key", "X-Api-Key", "OPENAI_API_KEY", "client-secret",
/// "password").
bool is_secret_name(std::string_view name) noexcept;

}  // namespace beluga
