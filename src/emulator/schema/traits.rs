/// What a describe says about an object as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) deletable: bool,
    pub(crate) undeletable: bool,
    pub(crate) deep_cloneable: bool,
    pub(crate) feed_enabled: bool,
    pub(crate) layoutable: bool,
    pub(crate) mergeable: bool,
    pub(crate) mru_enabled: bool,
    pub(crate) replicateable: bool,
    pub(crate) retrieveable: bool,
    pub(crate) searchable: bool,
    pub(crate) triggerable: bool,
    pub(crate) custom_setting: bool,
    /// Records may have a type: the master record type shows, and others can be added.
    pub(crate) record_types: bool,
    pub(crate) compact_layoutable: bool,
    /// List views and approval layouts have their URLs.
    pub(crate) listed: bool,
    /// `team` is among the scopes.
    pub(crate) team: bool,
    /// Ids have a prefix that no describe shows, since several objects share it.
    pub(crate) hides_prefix: bool,
    /// Jobs of the Bulk API take it.
    pub(crate) bulk: bool,
}

impl Traits {
    /// An object like Account, less what words take away and with what they add.
    pub(super) fn read(flags: &str) -> Self {
        let has = |flag: &str| flags.split(' ').any(|f| f == flag);
        let readonly = has("readonly");
        let layoutable = !has("nolayout");
        Traits {
            createable: !readonly && !has("nocreate"),
            updateable: !readonly && !has("noupdate"),
            deletable: !readonly && !has("nodelete"),
            undeletable: !readonly && !has("nodelete") && !has("noundelete"),
            deep_cloneable: has("deep"),
            feed_enabled: has("feed"),
            layoutable,
            mergeable: has("merge"),
            mru_enabled: !has("nomru"),
            replicateable: !has("noreplicate"),
            retrieveable: true,
            searchable: !has("nosearch"),
            triggerable: !has("notrigger"),
            custom_setting: has("setting"),
            record_types: has("record_types"),
            compact_layoutable: layoutable || has("compact"),
            listed: has("layouts"),
            team: has("team"),
            hides_prefix: has("hideprefix"),
            bulk: !has("nobulk"),
        }
    }
}
