//! Files: a version makes its document and its links; a body has a length.

use md5::{Digest, Md5};

use super::{Draft, insert_along};
use crate::emulator::store::{Call, Cell, RowError, Store, Undo};

/// Attachment and Document: how long the body is, and in the case of an Attachment that there is one.
pub(super) fn body(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if let Some(length) = draft.given("Body").map(str::to_owned) {
        draft.set("BodyLength", if length.is_empty() { "0" } else { &length });
    } else if draft.row.is_none() {
        draft.set("BodyLength", "0");
    }
    Ok(())
}

/// What a new version tells about its file.
pub(super) fn version(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if draft.row.is_some() {
        return Ok(());
    }
    let path = draft.get("PathOnClient").to_owned();
    let link = !draft.get("ContentUrl").is_empty();
    if !draft.call.loading {
        let required = |field: &str| {
            RowError::new(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{field}]"),
            )
            .on(field)
        };
        if !link && draft.blob.is_none() && draft.given("VersionData").is_none_or(str::is_empty) {
            return Err(required("VersionData"));
        }
        if !link && path.is_empty() {
            return Err(required("PathOnClient"));
        }
    }
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    if draft.get("Title").is_empty() {
        draft.set("Title", if stem.is_empty() { "Untitled" } else { stem });
    }
    draft.set("FileExtension", extension.to_ascii_lowercase());
    draft.set("FileType", if link { "LINK" } else { file_type(extension) });
    let (size, sum) = match draft.blob {
        Some(bytes) => (bytes.len().to_string(), hex(&Md5::digest(bytes))),
        None => ("0".to_owned(), String::new()),
    };
    draft.set("ContentSize", size);
    draft.set("Checksum", sum);
    if link {
        draft.set("ContentLocation", "E");
    }
    if draft.get("FirstPublishLocationId").is_empty() && draft.get("ContentDocumentId").is_empty() {
        let owner = draft.get("OwnerId").to_owned();
        draft.set("FirstPublishLocationId", owner);
    }
    let number = match versions_of(draft.store, draft.get("ContentDocumentId")).last() {
        Some(_) => versions_of(draft.store, draft.get("ContentDocumentId")).len() + 1,
        None => 1,
    };
    draft.set("VersionNumber", number.to_string());
    draft.flag("IsLatest", true);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What the platform calls files of an extension.
fn file_type(extension: &str) -> &'static str {
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => "PDF",
        "txt" => "TEXT",
        "csv" => "CSV",
        "htm" | "html" => "HTML",
        "xml" => "XML",
        "js" => "JS",
        "css" => "CSS",
        "rtf" => "RTF",
        "doc" => "WORD",
        "docx" => "WORD_X",
        "xls" => "EXCEL",
        "xlsx" => "EXCEL_X",
        "ppt" => "POWER_POINT",
        "pptx" => "POWER_POINT_X",
        "gif" => "GIF",
        "jpg" => "JPG",
        "jpeg" => "JPEG",
        "png" => "PNG",
        "bmp" => "BMP",
        "tif" | "tiff" => "TIFF",
        "svg" => "SVG",
        "mp3" => "MP3",
        "mp4" => "MP4",
        "m4v" => "M4V",
        "mov" => "MOV",
        "avi" => "AVI",
        "wmv" => "WMV",
        "wav" => "WAV",
        "zip" => "ZIP",
        "snote" => "SNOTE",
        "eps" => "EPS",
        "psd" => "PSD",
        "odt" => "ODT",
        "ods" => "ODS",
        "odp" => "ODP",
        "vcf" => "VCF",
        "ics" => "ICS",
        "eml" => "EML",
        "msg" => "MSG",
        "exe" => "EXE",
        _ => "UNKNOWN",
    }
}

/// The live versions of a document, oldest first.
fn versions_of(store: &Store, document: &str) -> Vec<u32> {
    if document.is_empty() {
        return Vec::new();
    }
    let Some(versions) = store.schema.object("ContentVersion") else {
        return Vec::new();
    };
    match store.schema.objects[versions].field("ContentDocumentId") {
        Some(field) => store.find(versions, field, document),
        None => Vec::new(),
    }
}

/// A first version gets its document and links; a further one becomes the latest.
pub(super) fn version_stored(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    let own = |store: &Store, name: &str| store.text(object, row, name).to_owned();
    let id = own(store, "Id");
    let (title, owner) = (own(store, "Title"), own(store, "OwnerId"));
    let (kind, extension, size) = (
        own(store, "FileType"),
        own(store, "FileExtension"),
        own(store, "ContentSize"),
    );
    let document = own(store, "ContentDocumentId");
    if !document.is_empty() {
        for older in versions_of(store, &document) {
            if older != row {
                set(store, object, older, &[("IsLatest", "false")], undo);
            }
        }
        let Some(documents) = store.schema.object("ContentDocument") else {
            return Ok(());
        };
        if let Some(at) = store.live_row(documents, &document) {
            let cells = [
                ("LatestPublishedVersionId", id.as_str()),
                ("Title", &title),
                ("FileType", &kind),
                ("FileExtension", &extension),
                ("ContentSize", &size),
                ("ContentModifiedDate", call.now),
                ("LastModifiedDate", call.now),
                ("LastModifiedById", call.user),
                ("SystemModstamp", call.now),
            ];
            set(store, documents, at, &cells, undo);
        }
        return Ok(());
    }
    let values = [
        ("Title", title.as_str()),
        ("OwnerId", &owner),
        ("LatestPublishedVersionId", &id),
        ("FileType", &kind),
        ("FileExtension", &extension),
        ("ContentSize", &size),
        ("Description", &own(store, "Description")),
        ("ContentModifiedDate", call.now),
    ];
    let document = insert_along(store, "ContentDocument", &values, call, undo)?;
    set(store, object, row, &[("ContentDocumentId", &document)], undo);
    link(store, &document, &owner, "I", call, undo)?;
    let place = own(store, "FirstPublishLocationId");
    if !place.is_empty() && place != owner {
        let share = if place.starts_with("058") { "I" } else { "V" };
        link(store, &document, &place, share, call, undo)?;
    }
    Ok(())
}

fn link(
    store: &mut Store,
    document: &str,
    entity: &str,
    share: &str,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<Cell, RowError> {
    let values = [
        ("ContentDocumentId", document),
        ("LinkedEntityId", entity),
        ("ShareType", share),
        ("Visibility", "AllUsers"),
    ];
    insert_along(store, "ContentDocumentLink", &values, call, undo)
}

/// A title is the file's: it shows on the document and on its latest version.
pub(super) fn retitled(store: &mut Store, object: usize, row: u32, undo: &mut Vec<Undo>) {
    let title = store.text(object, row, "Title").to_owned();
    let description = store.text(object, row, "Description").to_owned();
    let (other, id) = match store.schema.objects[object].name.as_str() {
        "ContentVersion" if store.text(object, row, "IsLatest") == "true" => (
            "ContentDocument",
            store.text(object, row, "ContentDocumentId").to_owned(),
        ),
        "ContentDocument" => (
            "ContentVersion",
            store.text(object, row, "LatestPublishedVersionId").to_owned(),
        ),
        _ => return,
    };
    let Some(other) = store.schema.object(other) else {
        return;
    };
    if let Some(at) = store.live_row(other, &id)
        && store.text(other, at, "Title") != title
    {
        let cells = [("Title", title.as_str()), ("Description", &description)];
        set(store, other, at, &cells, undo);
    }
}

/// A file is linked to a record once.
pub(super) fn document_link(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if draft.row.is_some() {
        return Ok(());
    }
    let Some(field) = draft.spec.field("LinkedEntityId") else {
        return Ok(());
    };
    let (entity, document) = (draft.get("LinkedEntityId"), draft.get("ContentDocumentId"));
    let taken = draft
        .store
        .find(draft.object, field, entity)
        .into_iter()
        .any(|row| draft.store.text(draft.object, row, "ContentDocumentId") == document);
    if taken {
        return Err(RowError::new(
            "DUPLICATE_VALUE",
            "duplicate value found: <unknown> duplicates value on record with id: <unknown>",
        ));
    }
    Ok(())
}

fn set(store: &mut Store, object: usize, row: u32, values: &[(&str, &str)], undo: &mut Vec<Undo>) {
    super::set_along(store, object, row, values, undo);
}
