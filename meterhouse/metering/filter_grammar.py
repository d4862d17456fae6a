"""The grammar of filters and their keywords."""

# The word boundary keeps `android` a name.
# The rule `unknown` is never started: it gives every other sign a token, so that one place
# (filter_errors.py) says what is wrong with it.
GRAMMAR = r"""
filter: or_test | TRUE

?or_test: and_test
    | and_test (_OR and_test)+ -> some_hold
?and_test: not_test
    | not_test (_AND not_test)+ -> all_hold
?not_test: _NOT not_test -> not_held
    | condition
    | _OPEN or_test _CLOSE

?condition: name COMPARISON value -> compared
    | name _IN _list -> listed
    | name _NOT _IN _list -> not_listed
    | name _STARTS _WITH text -> starts_with
    | name _ENDS _WITH text -> ends_with
    | name _CONTAINS text -> contains
    | name _IS _MISSING -> is_missing
    | name _IS _PRESENT -> is_present

_list: _OPEN value (_COMMA value)* _CLOSE
name: NAME | QUOTED
?value: text
    | NUMBER -> number
    | (TRUE | FALSE) -> truth
text: TEXT

unknown: WRONG | UNKNOWN | OTHER

_AND.2: /and\b/i
_OR.2: /or\b/i
_NOT.2: /not\b/i
_IN.2: /in\b/i
_STARTS.2: /starts\b/i
_ENDS.2: /ends\b/i
_WITH.2: /with\b/i
_CONTAINS.2: /contains\b/i
_IS.2: /is\b/i
_MISSING.2: /missing\b/i
_PRESENT.2: /present\b/i
TRUE.2: /true\b/i
FALSE.2: /false\b/i

WRONG.3: /==|<>|=>|=<|&&|\|\||!(?!=)/
COMPARISON.2: /!=|<=|>=|=|<|>/
_OPEN: "("
_CLOSE: ")"
_COMMA: ","
NAME.1: /[a-z][a-z0-9_]{0,47}(?![^ \t\r\n'"()=<>!,|&])/
QUOTED: /"[^"]*"/
NUMBER.1: /-?[0-9]+(\.[0-9]+)?(?![\w.])/
TEXT: /'([^']|'')*'(?!')/
UNKNOWN.-1: /[^ \t\r\n'"()=<>!,|&]+/
OTHER.-2: /[^ \t\r\n]/

%ignore /[ \t\r\n]+/
"""

# What has to stand in double quotes where a property is named so.
KEYWORDS = frozenset(
    {"and", "or", "not", "in", "is", "missing", "present"}
    | {"starts", "ends", "with", "contains", "true", "false"}
)
