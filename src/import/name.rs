//! Names of environment variables and resources, made from other names.

/// `clientSecret` and `client-secret` as `CLIENT_SECRET`: a name that a shell can set.
pub(super) fn variable(text: &str) -> String {
    let ascii: String = text.chars().map(|letter| if letter.is_ascii() { letter } else { ' ' }).collect();
    let name = words(&ascii).join("_").to_uppercase();
    match name.chars().next() {
        None => "SECRET".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

/// `TestCases` and `test-cases` as `test_cases`.
pub(super) fn snake(text: &str) -> String {
    words(text).join("_").to_lowercase()
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for character in text.chars() {
        let begins =
            !last.is_alphanumeric() || (character.is_uppercase() && (last.is_lowercase() || last.is_numeric()));
        if character.is_alphanumeric() {
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(character);
            }
        }
        last = character;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_into_words_at_case_and_signs() {
        for (text, name) in [
            ("clientSecret", "CLIENT_SECRET"),
            ("auth.api-key", "AUTH_API_KEY"),
            ("ID", "ID"),
            ("a1B", "A1_B"),
            ("schlüssel", "SCHL_SSEL"),
            ("2fa", "_2FA"),
            ("鍵", "SECRET"),
        ] {
            assert_eq!(variable(text), name);
        }
        assert_eq!(snake("TestCases"), "test_cases");
        assert_eq!(snake("/v1/users"), "v1_users");
    }
}
