//! S8: names that are not ASCII, or pretend to be. A name that looks like another one is a name of its own here: what
//! counts is where it leads.

use crate::judge::{Row, allowed, refused};

const REFUSED: &[(&str, &str)] = &[
    ("exam\u{ad}ple.com", "a soft hyphen"),
    ("exam\u{200b}ple.com", "a zero-width space"),
    ("exam\u{200c}ple.com", "a zero-width non-joiner"),
    ("exam\u{200d}ple.com", "a zero-width joiner"),
    ("exam\u{2060}ple.com", "a word joiner"),
    ("exam\u{feff}ple.com", "a byte order mark"),
    ("exam\u{34f}ple.com", "a grapheme joiner"),
    ("exam\u{180e}ple.com", "a vowel separator"),
    ("exam\u{fe0f}ple.com", "a variation selector"),
    ("exam\u{e0101}ple.com", "a variation selector, supplementary"),
    ("exam\u{e0041}ple.com", "a tag"),
    ("exam\u{115f}ple.com", "a filler"),
    ("exam\u{3164}ple.com", "a filler"),
    ("exam\u{2800}ple.com", "an empty pattern"),
    ("\u{202e}moc.elpmaxe", "right to left, override"),
    ("exam\u{202a}ple.com", "left to right, embedding"),
    ("exam\u{2066}ple\u{2069}.com", "an isolate"),
    ("exam\u{200e}ple.com", "a left-to-right mark"),
    ("exam\u{200f}ple.com", "a right-to-left mark"),
    ("exam\u{61c}ple.com", "an Arabic letter mark"),
    ("ｌｏｃａｌｈｏｓｔ", "full-width letters that spell a name inside"),
    ("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "letters in circles that do"),
    ("𝓵𝓸𝓬𝓪𝓵𝓱𝓸𝓼𝓽", "mathematical letters that do"),
    ("loca\u{ff4c}host", "one of them"),
    ("printer。local", "an ideographic dot before local"),
    ("printer．local", "a full-width dot before local"),
    ("printer｡local", "a half-width dot before local"),
    ("127。0。0。1", "an address with ideographic dots"),
    ("①②⑦.⓪.⓪.①", "an address in circles"),
    ("example。", "an ideographic dot behind"),
    ("xn--localhost-.com", "punycode that decodes to ASCII"),
    ("xn--example-.com", "punycode that decodes to ASCII"),
    ("xn--.com", "punycode of nothing"),
    ("xn--a.com", "punycode that is none"),
    ("xn--0.com", "punycode that is none"),
    ("xn--ls8h=.la", "punycode with another character"),
    ("xn--99999999999.com", "punycode that overflows"),
    ("xn--a-ecp.ru", "punycode of what no name may hold"),
    ("XN--EXAMPLE-.COM", "the same, upper case"),
    ("\u{301}example.com", "a mark in front"),
    ("exam\u{fffd}ple.com", "a replacement character"),
    ("exam\u{e000}ple.com", "a character of private use"),
    ("exam\u{fdd0}ple.com", "a noncharacter"),
    ("example.com\u{ff0f}.evil.com", "a full-width slash"),
    ("example.com\u{ff03}.evil.com", "a full-width #"),
    ("example.com\u{ff1f}.evil.com", "a full-width ?"),
    ("example.com\u{ff20}evil.com", "a full-width @"),
    ("example.com\u{ff1a}443", "a full-width colon"),
    ("example\u{ff0e}\u{ff0e}com", "two full-width dots"),
    ("\u{2488}example.com", "a digit with a dot of its own"),
    ("example.com\u{2100}.com", "a sign that holds a slash"),
];

const ALLOWED: &[(&str, &str)] = &[
    ("bücher.example.com", "an umlaut"),
    ("BÜCHER.example.com", "an umlaut, upper case"),
    ("xn--bcher-kva.example.com", "the same as punycode"),
    ("faß.example.com", "a sharp s"),
    ("例え.テスト", "Japanese"),
    ("пример.рф", "Cyrillic"),
    ("مثال.إختبار", "Arabic"),
    ("еxample.com", "Cyrillic and Latin letters together"),
    ("exampıe.com", "a dotless i"),
    ("ｅｘａｍｐｌｅ.com", "full-width letters of an ordinary name"),
    ("example。com", "an ideographic dot in an ordinary name"),
    ("☃.example.com", "a snowman"),
    ("a\u{2044}b.com", "a fraction slash, which is no slash"),
];

pub(crate) fn rows() -> Vec<Row> {
    let url = |host: &str| format!("https://{host}/");
    let refused = REFUSED.iter().map(|(host, why)| refused(url(host), why));
    refused.chain(ALLOWED.iter().map(|(host, why)| allowed(url(host), why))).collect()
}
