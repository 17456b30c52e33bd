"""What a task is found by: words without accents, pairs of characters where words have no spaces, signs, emoji, labels.

`task_terms` is what the next migration's index holds. The words of before, and their index, stay until the queries ask for
these.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# All classes are of code points, whatever the locale and the version of Unicode: what stands in an index must not change.
# Accents: without them it is the same word. A list, because `translate` takes many out quicker than an expression does.
_ACCENTS = "".join(map(chr, range(0x300, 0x370)))
# So it is without vowel points, joiners, variants of emoji and their skin, soft hyphens, and rarer accents.
_MARKS = (
    r"\u00ad\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    r"\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u2060-\u2064\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff"
    r"\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff"
)
# Punctuation and spaces beyond ASCII.
_SEPARATORS = (
    r"\u0080-\u00a1\u00a6-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02df\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6"
    r"\u05f3\u05f4\u0609\u060a\u060c\u060d\u061b-\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9\u0830-\u083e\u0964"
    r"\u0965\u0970\u0e3f\u0e4f\u0e5a\u0e5b\u0f04-\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fda\u104a-\u104f\u10fb\u1360-\u1368"
    r"\u1400\u166e\u1680\u169b\u169c\u16eb-\u16ed\u1735\u1736\u17d4-\u17db\u1800-\u180a\u2000-\u200a\u2010-\u205f"
    r"\u2065-\u206f\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f\u30a0\u30fb\ua4fe\ua4ff"
    r"\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877\ua8ce\ua8cf\ua92e\ua92f\ua95f\ufd3e\ufd3f\ufe10-\ufe1f"
    r"\ufe30-\ufe6f\ufff0-\uffff"
)
# Currencies, arrows, signs, emoji: each is a word of its own.
_SIGNS = r"\u00a2-\u00a5\u20a0-\u20cf\u2190-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
# Scripts that write words without spaces, or join more to a word than a prefix can find: Thai, Lao, Tibetan, Burmese,
# Khmer, Korean, Japanese, Chinese.
UNSPACED = (
    r"\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u0f40-\u0f84\u0f86-\u0fbc\u1000-\u103f\u1050-\u109f\u1100-\u11ff"
    r"\u1780-\u17d3\u17dd\u1950-\u19df\u1a20-\u1aad\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    r"\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# Letters that are no letter with an accent to Unicode, but are to people. Those that become two come after these.
_LETTERS = ("ıłđøħŧςðŋĸƀƶɨʉ", "ildoht\u03c3dnkbziu")
_PAIRS = (("ß", "ss"), ("æ", "ae"), ("œ", "oe"), ("þ", "th"))
_PUNCTUATION = "!\"$%&''()*,-./:;<=>?@[\\]^_`{|}~"  # without + and #; the apostrophe is doubled for SQL
_RARE = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"  # controls that no new text has


def _spaced(words: str) -> str:
    """Return the SQL of a text in which ASCII's punctuation, tabs and line breaks are spaces.

    Each sign costs each character of the text: those that are hardly ever there are looked for by themselves.
    """
    signs = len(_PUNCTUATION) - 1 + len("\t\n\r")
    return f"translate({words}, '{_PUNCTUATION}' || E'\\t\\n\\r', repeat(' ', {signs}))"


# Types are qualified, as in 0008: these are run by whoever writes a task. Whether there is anything to replace is asked
# first: most texts have nothing of most kinds.
SEARCH_TEXT = f"""
CREATE FUNCTION {{schema}}.search_text(string text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words pg_catalog.text := string;
BEGIN
    IF octet_length(words) > char_length(words) THEN -- beyond ASCII
        words := normalize(words, NFKD);
        IF words ~ '[\\u0300-\\u036f]' THEN
            words := translate(words, '{_ACCENTS}', '');
        END IF;
        IF octet_length(words) > char_length(words) AND words ~ '[{_MARKS}]' THEN
            words := regexp_replace(words, '[{_MARKS}]', '', 'g');
        END IF;
        words := translate(lower(words), '{_LETTERS[0]}', '{_LETTERS[1]}');
        IF words ~ '[{"".join(pair[0] for pair in _PAIRS)}]' THEN
            words := {"replace(" * len(_PAIRS)}words{"".join(f", '{one}', '{two}')" for one, two in _PAIRS)};
        END IF;
    ELSE
        words := lower(words);
    END IF;
    words := {_spaced("words")};
    IF words ~ '{_RARE}' THEN
        words := regexp_replace(words, '{_RARE}', ' ', 'g');
    END IF;
    IF octet_length(words) > char_length(words) THEN
        words := regexp_replace(normalize(words, NFC), '[{_SEPARATORS}]', ' ', 'g');
        words := regexp_replace(words, '([{_SIGNS}]|[{UNSPACED}]+)', ' \\1 ', 'g');
    END IF;
    -- They belong to a word at its end only: C++, F#.
    IF strpos(words, '+') > 0 OR strpos(words, '#') > 0 THEN
        words := regexp_replace(words, '(^| )[+#]+|[+#]+(?=[^ +#])', ' ', 'g');
    END IF;
    RETURN words;
END $$;
"""

# The cost: as in 0003. A text whose words are just that, as most are, has the digits put before each at once; the others
# are gone through. Characters are taken from an array: in a text, each would be looked for from its beginning.
TASK_TERMS = f"""
CREATE FUNCTION {{schema}}.task_terms(owner uuid, title text, description text, labels text[]) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT COST 10000
AS $$
DECLARE
    string pg_catalog.text := concat(title, ' ', description, ' ', array_to_string(labels, ' '));
    digits pg_catalog.text := right(owner::pg_catalog.text, 4);
    words pg_catalog.text;
    word pg_catalog.text;
    characters pg_catalog.text[];
    owned pg_catalog.text[] := '{{}}';
BEGIN
    IF string ~ '^[\\t\\n\\r\\x20-\\x22\\x24-\\x2a\\x2c-\\x7e]*$' THEN
        words := {_spaced("lower(string)")};
    ELSE
        words := {{schema}}.search_text(string);
    END IF;
    IF words !~ '[+#{UNSPACED}]|[^ ]{{51}}' THEN
        owned := array_remove(string_to_array(digits || replace(words, ' ', ' ' || digits), ' '), digits);
    ELSE
        FOREACH word IN ARRAY string_to_array(words, ' ') LOOP
            IF word = '' THEN
                CONTINUE;
            ELSIF ascii(word) > 3584 AND word ~ '^[{UNSPACED}]' THEN
                characters := string_to_array(word, NULL);
                FOR place IN 1 .. cardinality(characters) - 1 LOOP
                    owned := owned || (digits || characters[place] || characters[place + 1]);
                END LOOP;
                owned := owned || (digits || characters[cardinality(characters)]);
            ELSE
                owned := owned || (digits || left(word, 50));
                IF right(word, 1) IN ('+', '#') THEN
                    owned := owned || (digits || left(rtrim(word, '+#'), 50));
                END IF;
            END IF;
        END LOOP;
    END IF;
    RETURN array_to_tsvector(owned);
END $$;
"""

# The index is kept in the role of whoever writes.
RIGHTS = """
REVOKE EXECUTE ON FUNCTION {schema}.search_text(text), {schema}.task_terms(uuid, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.search_text(text), {schema}.task_terms(uuid, text, text, text[]) TO todo_api;
"""
DROP = """
DROP FUNCTION {schema}.task_terms(uuid, text, text, text[]);
DROP FUNCTION {schema}.search_text(text);
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0020_owner_days")]

    operations = [run(SEARCH_TEXT + TASK_TERMS + RIGHTS, DROP)]
