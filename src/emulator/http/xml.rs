//! XML as the older APIs read and write it: small documents, taken as trees. Prefixes and namespaces do not matter:
//! the names of these APIs are distinct without them.

use quick_xml::{Reader, escape::escape, events::Event};

pub(super) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// An element without its prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The document's root; an error in words when it is not well-formed.
    pub(super) fn parse(text: &str) -> Result<Element, String> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = vec![Element::default()];
        loop {
            let event = reader.read_event().map_err(|e| e.to_string())?;
            match event {
                Event::Start(tag) => {
                    let element = Element::open(tag.local_name().as_ref(), tag.attributes());
                    open.push(element);
                }
                Event::Empty(tag) => {
                    let element = Element::open(tag.local_name().as_ref(), tag.attributes());
                    Element::add(&mut open, element);
                }
                Event::End(_) => {
                    if let Some(done) = open.pop() {
                        Element::add(&mut open, done);
                    }
                }
                Event::Text(text) => Element::write(&mut open, &text.xml10_content()),
                Event::CData(text) => Element::write(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => Element::write(&mut open, c.encode_utf8(&mut [0; 4])),
                    Ok(None) => {
                        let name = reference.xml10_content();
                        let text = quick_xml::escape::resolve_predefined_entity(&name).ok_or_else(|| {
                            format!("The entity \"{name}\" was referenced, but not declared.")
                        })?;
                        Element::write(&mut open, text);
                    }
                    Err(e) => return Err(e.to_string()),
                },
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        match (open.pop(), open.is_empty()) {
            (Some(mut outer), true) if outer.children.len() == 1 => Ok(outer.children.remove(0)),
            (Some(_), true) => Err("Premature end of file.".to_owned()),
            _ => Err("XML document structures must start and end within the same entity.".to_owned()),
        }
    }

    fn open(name: &str, attributes: quick_xml::events::attributes::Attributes<'_>) -> Element {
        Element {
            name: name.to_owned(),
            attributes: attributes
                .flatten()
                .map(|a| {
                    let value = a
                        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                        .unwrap_or_default()
                        .into_owned();
                    (a.key.local_name().as_ref().to_owned(), value)
                })
                .collect(),
            ..Element::default()
        }
    }

    fn add(open: &mut [Element], done: Element) {
        if let Some(parent) = open.last_mut() {
            parent.children.push(done);
        }
    }

    fn write(open: &mut [Element], text: &str) {
        if let Some(element) = open.last_mut() {
            element.text.push_str(text);
        }
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    pub(super) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The text of a child.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(Element::text)
    }

    pub(super) fn text(&self) -> &str {
        if self.children.is_empty() {
            &self.text
        } else {
            self.text.trim()
        }
    }

    /// `xsi:nil="true"`.
    pub(super) fn is_nil(&self) -> bool {
        self.attribute("nil").is_some_and(|v| matches!(v, "true" | "1"))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// `<name>text</name>`, the text escaped.
pub(super) fn tag(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    out.push_str(&escape(text));
    out.push_str("</");
    // A closing tag has no attributes.
    out.push_str(name.split(' ').next().unwrap_or(name));
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_trees() {
        let root = Element::parse(
            "<?xml version='1.0'?>\n<!-- x --><a:job xmlns:a=\"urn:x\"><name> A &amp; B&#33;<![CDATA[<c>]]></name>\
             <e xsi:nil=\"true\"/><l>1</l><l>2</l></a:job>",
        )
        .expect("a document");
        assert_eq!(root.name, "job");
        assert_eq!(root.text_of("name"), Some(" A & B!<c>"));
        assert!(root.child("e").is_some_and(Element::is_nil));
        assert_eq!(root.all("l").map(Element::text).collect::<Vec<_>>(), ["1", "2"]);
        for bad in ["", "no xml", "<a><b></a>", "<a>", "<a>&nope;</a>"] {
            assert!(Element::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        tag(&mut out, "a x=\"1\"", "<&>");
        assert_eq!(out, "<a x=\"1\">&lt;&amp;&gt;</a>");
    }
}
