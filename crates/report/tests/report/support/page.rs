//! Properties of every page.

use scraper::{ElementRef, Html, Selector};
use std::collections::HashSet;

/// The elements that match a selector.
pub fn selected<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).collect()
}

/// Asserts that a reader, a screen reader and a network have nothing to object to.
pub fn assert_sound(name: &str, html: &str) {
    let page = Html::parse_document(html);
    assert!(page.errors.is_empty(), "{name}: {:?}", page.errors);
    let mut ids = HashSet::new();
    for element in selected(&page, "[id]") {
        let id = element.value().attr("id").unwrap();
        assert!(ids.insert(id), "{name}: id {id} twice");
    }
    for reference in ["aria-labelledby", "href"] {
        for element in selected(&page, &format!("[{reference}]")) {
            let target = element.value().attr(reference).unwrap();
            if let Some(inline) = target.strip_prefix("data:image/png;base64,") {
                assert!(!inline.is_empty(), "{name}: an empty image");
                continue;
            }
            let id = target.strip_prefix('#').unwrap_or(target);
            assert!(ids.contains(id), "{name}: {reference} {target} leads nowhere");
        }
    }
    for image in selected(&page, "img") {
        assert!(!image.value().attr("alt").unwrap().is_empty(), "{name}: an image without words");
        assert!(image.value().attr("src").unwrap().starts_with("data:image/png;base64,"), "{name}");
    }
    for svg in selected(&page, "svg") {
        assert_eq!(svg.value().attr("role"), Some("img"), "{name}");
        let title = Selector::parse("title").unwrap();
        assert!(
            svg.select(&title).any(|t| t.text().any(|text| !text.is_empty())),
            "{name}: an svg without a title"
        );
    }
    for table in selected(&page, "table") {
        let part = |selector: &str| table.select(&Selector::parse(selector).unwrap()).count();
        assert_eq!(part("caption"), 1, "{name}");
        assert_eq!(part("th"), part("th[scope]"), "{name}");
    }
    assert_eq!(selected(&page, "html[lang]").len(), 1, "{name}");
    assert_eq!((selected(&page, "main").len(), selected(&page, "script").len()), (1, 0), "{name}");
    let headings = selected(&page, "h1, h2, h3, h4, h5, h6");
    let levels: Vec<u32> =
        headings.iter().map(|h| h.value().name()[1..].parse().unwrap()).collect();
    assert_eq!((levels[0], levels.iter().filter(|level| **level == 1).count()), (1, 1), "{name}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
    let rest = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for address in ["http://", "https://", "//www", "@import", "url("] {
        assert!(!rest.contains(address), "{name}: {address}");
    }
}
