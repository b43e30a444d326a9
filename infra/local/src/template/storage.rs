//! From the properties of tables, keys and secrets to the model.

use super::model::{Index, Key, Secret, Table};
use super::{names, properties};

pub(super) fn key(id: &str) -> Key {
    let id = names::key_id(id);
    Key { arn: names::arn("kms", &format!("key/{id}")), id }
}

pub(super) fn table(id: &str, table: properties::Table) -> Table {
    Table {
        logical_id: id.to_owned(),
        name: table.table_name.unwrap_or_else(|| names::physical(id)),
        attributes: table
            .attribute_definitions
            .into_iter()
            .map(|attribute| (attribute.attribute_name, attribute.attribute_type))
            .collect(),
        key: key_schema(table.key_schema),
        indexes: table
            .global_secondary_indexes
            .into_iter()
            .map(|index| Index {
                name: index.index_name,
                key: key_schema(index.key_schema),
                projection: index.projection.projection_type,
                projected: index.projection.non_key_attributes,
            })
            .collect(),
        time_to_live: table
            .time_to_live_specification
            .filter(|specification| specification.enabled)
            .map(|specification| specification.attribute_name),
    }
}

fn key_schema(elements: Vec<properties::KeyElement>) -> Vec<(String, String)> {
    elements.into_iter().map(|element| (element.attribute_name, element.key_type)).collect()
}

pub(super) fn secret(id: &str, secret: properties::Secret) -> Secret {
    let generate = secret.generate_secret_string;
    let classes = [
        (!generate.exclude_lowercase, ('a'..='z').collect::<String>()),
        (!generate.exclude_uppercase, ('A'..='Z').collect()),
        (!generate.exclude_numbers, ('0'..='9').collect()),
        (!generate.exclude_punctuation, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned()),
        (generate.include_space, " ".to_owned()),
    ];
    let wanted = classes.iter().filter(|(wanted, _)| *wanted).flat_map(|(_, characters)| characters.chars());
    let name = secret.name.unwrap_or_else(|| names::physical(id));
    Secret {
        logical_id: id.to_owned(),
        arn: names::secret_arn(id, &name),
        name,
        length: generate.password_length,
        alphabet: wanted.filter(|character| !generate.exclude_characters.contains(*character)).collect(),
    }
}
