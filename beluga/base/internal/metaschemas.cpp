#include "beluga/base/internal/metaschemas.hpp"

namespace beluga::detail {
namespace {

struct Document {
  std::string_view uri;
  std::string_view text;
};

// The documents of json-schema.org/draft/2020-12, compact.
constexpr Document kDocuments[] = {
    {"https://json-schema.org/draft/2020-12/schema",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/schema","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true,"https://json-sche)__"
     R"__(ma.org/draft/2020-12/vocab/applicator":true,"https://json-schema.org/draft/2020-12/vocab/unevaluated)__"
     R"__(":true,"https://json-schema.org/draft/2020-12/vocab/validation":true,"https://json-schema.org/draft/)__"
     R"__(2020-12/vocab/meta-data":true,"https://json-schema.org/draft/2020-12/vocab/format-annotation":true,")__"
     R"__(https://json-schema.org/draft/2020-12/vocab/content":true},"$dynamicAnchor":"meta","title":"Core and)__"
     R"__( Validation specifications meta-schema","allOf":[{"$ref":"meta/core"},{"$ref":"meta/applicator"},{"$)__"
     R"__(ref":"meta/unevaluated"},{"$ref":"meta/validation"},{"$ref":"meta/meta-data"},{"$ref":"meta/format-a)__"
     R"__(nnotation"},{"$ref":"meta/content"}],"type":["object","boolean"],"$comment":"This meta-schema also d)__"
     R"__(efines keywords that have appeared in previous drafts in order to prevent incompatible extensions as)__"
     R"__( they remain in common use.","properties":{"definitions":{"$comment":"\"definitions\" has been repla)__"
     R"__(ced by \"$defs\".","type":"object","additionalProperties":{"$dynamicRef":"#meta"},"deprecated":true,)__"
     R"__("default":{}},"dependencies":{"$comment":"\"dependencies\" has been split and replaced by \"dependen)__"
     R"__(tSchemas\" and \"dependentRequired\" in order to serve their differing semantics.","type":"object",")__"
     R"__(additionalProperties":{"anyOf":[{"$dynamicRef":"#meta"},{"$ref":"meta/validation#/$defs/stringArray")__"
     R"__(}]},"deprecated":true,"default":{}},"$recursiveAnchor":{"$comment":"\"$recursiveAnchor\" has been re)__"
     R"__(placed by \"$dynamicAnchor\".","$ref":"meta/core#/$defs/anchorString","deprecated":true},"$recursive)__"
     R"__(Ref":{"$comment":"\"$recursiveRef\" has been replaced by \"$dynamicRef\".","$ref":"meta/core#/$defs/)__"
     R"__(uriReferenceString","deprecated":true}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/applicator",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/applicator","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/applicator":true},"$)__"
     R"__(dynamicAnchor":"meta","title":"Applicator vocabulary meta-schema","type":["object","boolean"],"prope)__"
     R"__(rties":{"prefixItems":{"$ref":"#/$defs/schemaArray"},"items":{"$dynamicRef":"#meta"},"contains":{"$d)__"
     R"__(ynamicRef":"#meta"},"additionalProperties":{"$dynamicRef":"#meta"},"properties":{"type":"object","ad)__"
     R"__(ditionalProperties":{"$dynamicRef":"#meta"},"default":{}},"patternProperties":{"type":"object","addi)__"
     R"__(tionalProperties":{"$dynamicRef":"#meta"},"propertyNames":{"format":"regex"},"default":{}},"dependen)__"
     R"__(tSchemas":{"type":"object","additionalProperties":{"$dynamicRef":"#meta"},"default":{}},"propertyNam)__"
     R"__(es":{"$dynamicRef":"#meta"},"if":{"$dynamicRef":"#meta"},"then":{"$dynamicRef":"#meta"},"else":{"$dy)__"
     R"__(namicRef":"#meta"},"allOf":{"$ref":"#/$defs/schemaArray"},"anyOf":{"$ref":"#/$defs/schemaArray"},"on)__"
     R"__(eOf":{"$ref":"#/$defs/schemaArray"},"not":{"$dynamicRef":"#meta"}},"$defs":{"schemaArray":{"type":"a)__"
     R"__(rray","minItems":1,"items":{"$dynamicRef":"#meta"}}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/content",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/content","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/content":true},"$dynami)__"
     R"__(cAnchor":"meta","title":"Content vocabulary meta-schema","type":["object","boolean"],"properties":{")__"
     R"__(contentEncoding":{"type":"string"},"contentMediaType":{"type":"string"},"contentSchema":{"$dynamicRe)__"
     R"__(f":"#meta"}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/core",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/core","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true},"$dynamicAncho)__"
     R"__(r":"meta","title":"Core vocabulary meta-schema","type":["object","boolean"],"properties":{"$id":{"$r)__"
     R"__(ef":"#/$defs/uriReferenceString","$comment":"Non-empty fragments not allowed.","pattern":"^[^#]*#?$")__"
     R"__(},"$schema":{"$ref":"#/$defs/uriString"},"$ref":{"$ref":"#/$defs/uriReferenceString"},"$anchor":{"$r)__"
     R"__(ef":"#/$defs/anchorString"},"$dynamicRef":{"$ref":"#/$defs/uriReferenceString"},"$dynamicAnchor":{"$)__"
     R"__(ref":"#/$defs/anchorString"},"$vocabulary":{"type":"object","propertyNames":{"$ref":"#/$defs/uriStri)__"
     R"__(ng"},"additionalProperties":{"type":"boolean"}},"$comment":{"type":"string"},"$defs":{"type":"object)__"
     R"__(","additionalProperties":{"$dynamicRef":"#meta"}}},"$defs":{"anchorString":{"type":"string","pattern)__"
     R"__(":"^[A-Za-z_][-A-Za-z0-9._]*$"},"uriString":{"type":"string","format":"uri"},"uriReferenceString":{")__"
     R"__(type":"string","format":"uri-reference"}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/format-annotation",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/format-annotation","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/format-annota)__"
     R"__(tion":true},"$dynamicAnchor":"meta","title":"Format vocabulary meta-schema for annotation results",")__"
     R"__(type":["object","boolean"],"properties":{"format":{"type":"string"}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/format-assertion",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/format-assertion","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/format-asserti)__"
     R"__(on":true},"$dynamicAnchor":"meta","title":"Format vocabulary meta-schema for assertion results","typ)__"
     R"__(e":["object","boolean"],"properties":{"format":{"type":"string"}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/meta-data",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/meta-data","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/meta-data":true},"$dy)__"
     R"__(namicAnchor":"meta","title":"Meta-data vocabulary meta-schema","type":["object","boolean"],"properti)__"
     R"__(es":{"title":{"type":"string"},"description":{"type":"string"},"default":true,"deprecated":{"type":")__"
     R"__(boolean","default":false},"readOnly":{"type":"boolean","default":false},"writeOnly":{"type":"boolean)__"
     R"__(","default":false},"examples":{"type":"array","items":true}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/unevaluated",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/unevaluated","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/unevaluated":true},)__"
     R"__("$dynamicAnchor":"meta","title":"Unevaluated applicator vocabulary meta-schema","type":["object","bo)__"
     R"__(olean"],"properties":{"unevaluatedItems":{"$dynamicRef":"#meta"},"unevaluatedProperties":{"$dynamicR)__"
     R"__(ef":"#meta"}}})__"},
    {"https://json-schema.org/draft/2020-12/meta/validation",
     R"__({"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://json-schema.org/draft/2020-)__"
     R"__(12/meta/validation","$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/validation":true},"$)__"
     R"__(dynamicAnchor":"meta","title":"Validation vocabulary meta-schema","type":["object","boolean"],"prope)__"
     R"__(rties":{"type":{"anyOf":[{"$ref":"#/$defs/simpleTypes"},{"type":"array","items":{"$ref":"#/$defs/sim)__"
     R"__(pleTypes"},"minItems":1,"uniqueItems":true}]},"const":true,"enum":{"type":"array","items":true},"mul)__"
     R"__(tipleOf":{"type":"number","exclusiveMinimum":0},"maximum":{"type":"number"},"exclusiveMaximum":{"typ)__"
     R"__(e":"number"},"minimum":{"type":"number"},"exclusiveMinimum":{"type":"number"},"maxLength":{"$ref":"#)__"
     R"__(/$defs/nonNegativeInteger"},"minLength":{"$ref":"#/$defs/nonNegativeIntegerDefault0"},"pattern":{"ty)__"
     R"__(pe":"string","format":"regex"},"maxItems":{"$ref":"#/$defs/nonNegativeInteger"},"minItems":{"$ref":")__"
     R"__(#/$defs/nonNegativeIntegerDefault0"},"uniqueItems":{"type":"boolean","default":false},"maxContains":)__"
     R"__({"$ref":"#/$defs/nonNegativeInteger"},"minContains":{"$ref":"#/$defs/nonNegativeInteger","default":1)__"
     R"__(},"maxProperties":{"$ref":"#/$defs/nonNegativeInteger"},"minProperties":{"$ref":"#/$defs/nonNegative)__"
     R"__(IntegerDefault0"},"required":{"$ref":"#/$defs/stringArray"},"dependentRequired":{"type":"object","ad)__"
     R"__(ditionalProperties":{"$ref":"#/$defs/stringArray"}}},"$defs":{"nonNegativeInteger":{"type":"integer")__"
     R"__(,"minimum":0},"nonNegativeIntegerDefault0":{"$ref":"#/$defs/nonNegativeInteger","default":0},"simple)__"
     R"__(Types":{"enum":["array","boolean","integer","null","number","object","string"]},"stringArray":{"type)__"
     R"__(":"array","items":{"type":"string"},"uniqueItems":true,"default":[]}}})__"},
};

}  // namespace

std::string_view metaschema(std::string_view uri) noexcept {
  for (const Document& document : kDocuments)
    if (document.uri == uri) return document.text;
  return {};
}

}  // namespace beluga::detail
