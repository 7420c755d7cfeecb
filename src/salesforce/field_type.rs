use serde::{Deserialize, Serialize};

/// The type of a field, by the names of describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Text of one line.
    #[default]
    String,
    /// One value of a list.
    Picklist,
    /// Several values of a list, separated by `;`.
    MultiPicklist,
    /// A list that takes other values too.
    Combobox,
    /// The Id of a record of some object.
    Reference,
    /// A file's bytes; REST gives a path to them.
    Base64,
    /// A checkbox; never null.
    Boolean,
    /// An amount.
    Currency,
    /// Text of several lines.
    TextArea,
    /// A whole number.
    Int,
    /// A whole number beyond 32 bits.
    Long,
    /// A number.
    Double,
    /// A percentage.
    Percent,
    /// A phone number.
    Phone,
    /// The record's own Id.
    Id,
    /// A day.
    Date,
    /// A moment.
    DateTime,
    /// A time of day.
    Time,
    /// A web address.
    Url,
    /// An e-mail address; stored in lower case.
    Email,
    /// Classic encrypted text.
    EncryptedString,
    /// A knowledge category.
    DataCategoryGroupReference,
    /// Latitude and longitude, together.
    Location,
    /// Street to country, together.
    Address,
    /// Depends on the row.
    #[serde(rename = "anyType")]
    AnyType,
    /// JSON as text.
    Json,
    /// An object of several values.
    ComplexValue,
    /// A type that is newer than this program.
    #[serde(other)]
    Other,
}

impl FieldType {
    /// Whether its values are numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            FieldType::Currency | FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Percent
        )
    }

    /// Whether its values are Ids of records.
    pub fn is_id(self) -> bool {
        matches!(self, FieldType::Id | FieldType::Reference)
    }

    /// Whether it is made of other fields and can only be read as a whole.
    pub fn is_compound(self) -> bool {
        matches!(
            self,
            FieldType::Location | FieldType::Address | FieldType::ComplexValue
        )
    }

    /// Whether its values are free text.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            FieldType::String
                | FieldType::TextArea
                | FieldType::Phone
                | FieldType::Url
                | FieldType::Email
                | FieldType::EncryptedString
                | FieldType::Combobox
                | FieldType::Picklist
                | FieldType::MultiPicklist
        )
    }

    /// The name in describe: `multipicklist`.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::String => "string",
            FieldType::Picklist => "picklist",
            FieldType::MultiPicklist => "multipicklist",
            FieldType::Combobox => "combobox",
            FieldType::Reference => "reference",
            FieldType::Base64 => "base64",
            FieldType::Boolean => "boolean",
            FieldType::Currency => "currency",
            FieldType::TextArea => "textarea",
            FieldType::Int => "int",
            FieldType::Long => "long",
            FieldType::Double => "double",
            FieldType::Percent => "percent",
            FieldType::Phone => "phone",
            FieldType::Id => "id",
            FieldType::Date => "date",
            FieldType::DateTime => "datetime",
            FieldType::Time => "time",
            FieldType::Url => "url",
            FieldType::Email => "email",
            FieldType::EncryptedString => "encryptedstring",
            FieldType::DataCategoryGroupReference => "datacategorygroupreference",
            FieldType::Location => "location",
            FieldType::Address => "address",
            FieldType::AnyType => "anyType",
            FieldType::Json => "json",
            FieldType::ComplexValue => "complexvalue",
            FieldType::Other => "other",
        }
    }
}

impl std::fmt::Display for FieldType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
