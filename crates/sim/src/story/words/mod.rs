//! The templates of stories: one table per language, with the same keys and places in both.
//!
//! A template is about its subject, which stands before it. `{place}` is filled by the event or
//! the skin's word of that name, `{one|many}` follows the number of subjects.

mod en;
mod zh;

use super::text::Language;

/// Keys and their templates.
type Table = &'static [(&'static str, &'static str)];

/// All templates of a language, by key.
pub fn table(language: Language) -> Table {
    match language {
        Language::English => en::TABLE,
        Language::Chinese => zh::TABLE,
    }
}

/// The template of this key, if there is one.
pub(super) fn find(language: Language, key: &str) -> Option<&'static str> {
    let entry = table(language).iter().find(|(name, _)| *name == key);
    entry.map(|(_, template)| *template)
}

/// This key as the tables have it, if they do.
pub(super) fn key(name: &str) -> Option<&'static str> {
    en::TABLE.iter().map(|(key, _)| *key).find(|key| *key == name)
}

/// The template of this key, which exists.
pub(super) fn template(language: Language, key: &str) -> &'static str {
    find(language, key).unwrap_or_else(|| panic!("no template is called {key}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::phrase::places;
    use super::*;

    fn keys(language: Language) -> Vec<&'static str> {
        table(language).iter().map(|(key, _)| *key).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_in_the_same_order_each_once() {
        let (en, zh) = (keys(Language::English), keys(Language::Chinese));
        let all: BTreeSet<&str> = en.iter().chain(&zh).copied().collect();
        let missing = |keys: &[&str]| -> Vec<&str> {
            all.iter().filter(|key| !keys.contains(key)).copied().collect()
        };
        assert_eq!(missing(&en), Vec::<&str>::new(), "missing in English");
        assert_eq!(missing(&zh), Vec::<&str>::new(), "missing in Chinese");
        assert_eq!(en, zh, "the tables are in the same order");
        assert_eq!(all.len(), en.len(), "a key is there twice");
    }

    #[test]
    fn both_languages_fill_the_same_places_with_facts() {
        for (key, en) in table(Language::English) {
            let zh = template(Language::Chinese, key);
            let facts = |template| -> BTreeSet<&str> {
                let is_word =
                    |place: &&str| find(Language::English, &format!("word.{place}")).is_some();
                places(template).into_iter().filter(|place| !is_word(place)).collect()
            };
            assert_eq!(facts(en), facts(zh), "{key}");
        }
    }
}
