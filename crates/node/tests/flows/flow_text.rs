//! Flow files that several tests deploy.

/// Runs JavaScript on every JSON message of `input` and publishes the property `data` on `output`.
pub(crate) fn script_flow(id: &str, input: &str, code: &str, output: &str) -> String {
    chain(id, &[&subscribe(input), &script(code), &publish(output)])
}

/// Modules with type and settings, joined one after another as `s0`, `s1` and so on.
pub(crate) fn chain(id: &str, steps: &[&str]) -> String {
    let mut text = format!("id = \"{id}\"\n[modules]\n");
    for (number, step) in steps.iter().enumerate() {
        text += &format!("s{number} = {step}\n");
    }
    for number in 1..steps.len() {
        text += &format!("[[connections]]\nfrom = \"s{}\"\nto = \"s{number}\"\n", number - 1);
    }
    text
}

pub(crate) fn subscribe(topic: &str) -> String {
    format!(r#"{{ type = "mqtt-sub-broker", with = {{ topic = "{topic}", qos = 1 }} }}"#)
}

pub(crate) fn script(code: &str) -> String {
    format!(r#"{{ type = "script", with.code = '''{code}''' }}"#)
}

pub(crate) fn publish(topic: &str) -> String {
    format!(r#"{{ type = "mqtt-pub-broker", with = {{ topic = "{topic}", qos = 1 }} }}"#)
}
