//! Which connectors a list shows, and in which order.
//!
//! Source: facts/harness B2 (`listV2`). Names, descriptions and search terms are looked for as texts, in any case; the
//! server of December 2023 takes them for patterns.

use serde_json::{Map, Value};

use super::{
    Connector, Refusal,
    connector_type::{category, is_category},
    validation::{flag, object, text, texts, unreadable},
};

/// What a connector must be like to be listed. Lists that are empty ask for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConnectorFilter {
    pub(crate) types: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Parts of names, in lower case; one of them must be there.
    pub(crate) names: Vec<String>,
    pub(crate) identifiers: Vec<String>,
    /// Words of the description, in lower case; one of them must be there.
    pub(crate) description: Vec<String>,
    pub(crate) statuses: Vec<String>,
    /// `DELEGATE`, `MANAGER`.
    pub(crate) modes: Vec<String>,
    pub(crate) inherits_credentials: Option<bool>,
    /// One of these tags must be there, with its value.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) search: Option<Search>,
    /// `2.x` or `3.x`: the version of Nexus connectors, if the types name Nexus.
    pub(crate) nexus_version: Option<String>,
}

/// A search term.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    /// In lower case.
    term: String,
    /// A tag that the term names: its key, or `key:value`.
    tag: (String, String),
    names_only: bool,
}

/// What lists may be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortField {
    Name,
    Identifier,
    Type,
    CreatedAt,
    LastModifiedAt,
}

/// One `sortOrders` of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SortOrder {
    pub(crate) field: SortField,
    pub(crate) ascending: bool,
}

impl SortOrder {
    /// The last changed first.
    pub(crate) const USUAL: Self = Self { field: SortField::LastModifiedAt, ascending: false };
    /// The last made first, as the older list has it.
    pub(crate) const NEWEST: Self = Self { field: SortField::CreatedAt, ascending: false };

    /// Reads `name,ASC`; without a direction it is `DESC`. None if lists know no such field.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (field, direction) = text.split_once(',').unwrap_or((text, "DESC"));
        let field = match field.trim() {
            "name" => SortField::Name,
            "identifier" => SortField::Identifier,
            "type" => SortField::Type,
            "createdAt" => SortField::CreatedAt,
            "lastModifiedAt" | "timeWhenConnectorIsLastUpdated" => SortField::LastModifiedAt,
            _ => return None,
        };
        Some(Self { field, ascending: direction.trim().eq_ignore_ascii_case("ASC") })
    }
}

impl Search {
    /// As [`Search::new`], in names and identifiers only.
    pub(crate) fn names(term: &str) -> Option<Self> {
        Self::new(term).map(|search| Self { names_only: true, ..search })
    }

    /// Reads a term; none if it is blank.
    pub(crate) fn new(term: &str) -> Option<Self> {
        let mut parts = term.split(':');
        let tag = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        (!term.trim().is_empty()).then(|| Self { term: term.to_lowercase(), tag, names_only: false })
    }
}

impl Search {
    fn admits(&self, connector: &Connector, text: &str) -> bool {
        if self.names_only {
            let names = text.strip_suffix(description_of(text)).unwrap_or(text);
            return names.contains(self.term.as_str());
        }
        text.contains(self.term.as_str()) || has_tag(connector, &self.tag)
    }
}

impl ConnectorFilter {
    /// Reads the body of `listV2`.
    ///
    /// # Errors
    /// A value of a wrong type, a `filterType` of another entity, or a type, category, status or mode that there is none of.
    pub(crate) fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        if text(body, "filterType")?.is_some_and(|kind| kind != "Connector") {
            return Err(unreadable());
        }
        let known = |field: &str, is_known: &dyn Fn(&str) -> bool| {
            let values = texts(body, field)?;
            if values.iter().all(|value| is_known(value)) { Ok(values) } else { Err(unreadable()) }
        };
        let lower = |values: Vec<String>| values.iter().map(|value| value.to_lowercase()).collect();
        let is_status = |status: &str| matches!(status, "SUCCESS" | "FAILURE" | "PARTIAL" | "UNKNOWN" | "PENDING");
        let tags = object(body, "tags")?.into_iter().flatten();
        Ok(Self {
            types: known("types", &|kind| category(kind).is_some())?,
            categories: known("categories", &is_category)?,
            names: lower(texts(body, "connectorNames")?),
            identifiers: texts(body, "connectorIdentifiers")?,
            description: text(body, "description")?
                .iter()
                .flat_map(|words| words.split(' ').filter(|word| !word.is_empty()).map(str::to_lowercase))
                .collect(),
            statuses: known("connectivityStatuses", &is_status)?,
            modes: known("connectorConnectivityModes", &|mode| matches!(mode, "DELEGATE" | "MANAGER"))?,
            inherits_credentials: flag(body, "inheritingCredentialsFromDelegate")?,
            tags: tags.map(|(key, value)| (key.clone(), tag_value(value).to_owned())).collect(),
            search: None,
            nexus_version: None,
        })
    }

    /// Whether it lets every connector through.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a connector is listed; `text` is its [`search_text`].
    pub(super) fn admits(&self, connector: &Connector, text: &str) -> bool {
        let names = |wanted: &[String], is: &str| wanted.is_empty() || wanted.iter().any(|value| value == is);
        names(&self.types, connector.kind())
            && names(&self.categories, connector.category())
            && names(&self.identifiers, &connector.identifier)
            && names(&self.statuses, connector.tested.status.wire())
            && names(&self.modes, if connector.execute_on_delegate() { "DELEGATE" } else { "MANAGER" })
            && (self.names.is_empty() || one_of(&self.names, name_of(text)))
            && (self.description.is_empty() || one_of(&self.description, description_of(text)))
            && self.inherits_credentials.is_none_or(|wanted| wanted == connector.inherits_credentials())
            && (self.tags.is_empty() || self.tags.iter().any(|tag| has_tag(connector, tag)))
            && self.search.as_ref().is_none_or(|search| search.admits(connector, text))
            && self.has_version(connector)
    }

    fn has_version(&self, connector: &Connector) -> bool {
        let Some(version) = self.nexus_version.as_deref().filter(|_| connector.kind() == "Nexus") else { return true };
        let asked = self.types.iter().any(|kind| kind == "Nexus") && matches!(version, "2.x" | "3.x");
        !asked || connector.spec_text("nexusVersion") == Some(version)
    }
}

/// What a search looks through, in lower case: name, identifier and description, a line each.
pub(super) fn search_text(connector: &Connector) -> Box<str> {
    let Connector { name, identifier, description, .. } = connector;
    // Neither names nor identifiers have line ends.
    format!("{name}\n{identifier}\n{}", description.as_deref().unwrap_or_default()).to_lowercase().into()
}

fn name_of(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

fn description_of(text: &str) -> &str {
    text.splitn(3, '\n').nth(2).unwrap_or_default()
}

fn one_of(wanted: &[String], text: &str) -> bool {
    wanted.iter().any(|part| text.contains(part.as_str()))
}

fn has_tag(connector: &Connector, (key, value): &(String, String)) -> bool {
    connector.tags.get(key).is_some_and(|found| tag_value(found) == value)
}

fn tag_value(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
