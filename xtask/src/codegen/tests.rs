//! The check notices each kind of difference, and the interface is etcd's.

use std::collections::BTreeSet;

use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MethodDescriptorProto, ServiceDescriptorProto,
};

use super::*;

fn files(pairs: &[(&str, &str)]) -> Files {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

#[test]
fn equal_files_pass_the_check() {
    let both = files(&[("a.rs", "x"), ("b.rs", "y")]);
    assert!(compare(&both, &both).is_ok());
}

#[test]
fn each_kind_of_difference_is_named() {
    let cases = [
        (files(&[("a.rs", "x")]), files(&[("a.rs", "y")]), "a.rs differs"),
        (files(&[]), files(&[("a.rs", "y")]), "a.rs is missing"),
        (files(&[("old.rs", "x")]), files(&[]), "old.rs has no source"),
    ];
    for (committed, generated, complaint) in cases {
        let error = compare(&committed, &generated).expect_err(complaint);
        assert!(error.to_string().contains(complaint), "{error}");
    }
}

#[test]
fn writing_removes_what_is_no_longer_generated() -> Result<()> {
    let directory = tempfile::tempdir()?;
    write_directory(directory.path(), &files(&[("old.rs", "x"), ("kept.rs", "1")]))?;
    let new = files(&[("kept.rs", "2")]);
    write_directory(directory.path(), &new)?;
    assert_eq!(read_directory(directory.path())?, new);
    Ok(())
}

/// Every number is part of the interface: one wrong, and clients read garbage without an error.
#[test]
fn the_interface_is_the_one_that_etcd_has() -> Result<()> {
    let workspace = Workspace::of_this_build();
    let text = fs::read_to_string(workspace.path("xtask/fixtures/etcd-interface.txt"))?;
    let etcd: BTreeSet<String> =
        text.lines().filter(|line| is_fact(line)).map(str::to_owned).collect();
    let ours: BTreeSet<String> = compile(&workspace)?.file.iter().flat_map(file_facts).collect();

    let missing: Vec<_> = etcd.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&etcd).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{missing:#?} {invented:#?}");
    Ok(())
}

fn is_fact(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn file_facts(file: &FileDescriptorProto) -> Vec<String> {
    let package = file.package();
    let messages = file.message_type.iter().flat_map(|one| message_facts(package, one));
    let enums = file.enum_type.iter().flat_map(|one| enum_facts(package, one));
    let services = file.service.iter().flat_map(|one| service_facts(package, one));
    messages.chain(enums).chain(services).collect()
}

fn message_facts(scope: &str, message: &DescriptorProto) -> Vec<String> {
    let name = format!("{scope}.{}", message.name());
    if message.field.is_empty() {
        return vec![name];
    }
    let fields = message.field.iter().map(|field| field_fact(&name, field));
    let nested = message.nested_type.iter().flat_map(|one| message_facts(&name, one));
    let enums = message.enum_type.iter().flat_map(|one| enum_facts(&name, one));
    fields.chain(nested).chain(enums).collect()
}

fn field_fact(message: &str, field: &FieldDescriptorProto) -> String {
    let scalar = format!("{:?}", field.r#type()).to_lowercase();
    let kind = field.type_name.as_deref().map_or(scalar.as_str(), last_part);
    let label = format!("{:?}", field.label()).to_lowercase();
    let label = if label == "repeated" { "repeated " } else { "" };
    format!("{message}.{} = {} {label}{kind}", field.name(), field.number())
}

fn enum_facts(scope: &str, one: &EnumDescriptorProto) -> Vec<String> {
    let name = format!("{scope}.{}", one.name());
    one.value.iter().map(|value| format!("{name}.{} = {}", value.name(), value.number())).collect()
}

fn service_facts(package: &str, service: &ServiceDescriptorProto) -> Vec<String> {
    let name = format!("{package}.{}", service.name());
    service.method.iter().map(|method| method_fact(&name, method)).collect()
}

fn method_fact(service: &str, method: &MethodDescriptorProto) -> String {
    let stream = |is_stream| if is_stream { "stream " } else { "" };
    format!(
        "{service}/{} {}{} -> {}{}",
        method.name(),
        stream(method.client_streaming()),
        last_part(method.input_type()),
        stream(method.server_streaming()),
        last_part(method.output_type()),
    )
}

/// The name without its package.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
