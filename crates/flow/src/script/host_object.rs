//! An object of a message as JavaScript sees it: members are converted when they are read, and changes are noted
//! beside the original. A script that touches three members of a large message pays for three.

use std::cell::RefCell;
use std::collections::HashMap;

use message::{Object, Text, limits};
use rquickjs::class::{ClassKind, JsCell, JsClass, PropertyDescriptor, PropertyName, Readable, Trace, Tracer};
use rquickjs::{Atom, Constructor, Ctx, JsLifetime, Object as JsObject, Result, Value as JsValue};

use super::into_js::into_js;
use super::raw;
use crate::expression::is_symbol;

pub(super) struct HostObject<'js> {
    original: Object,
    touched: RefCell<TouchedMembers<'js>>,
}

/// The members that were written, and the containers that were handed out and may have been changed since.
#[derive(Default)]
struct TouchedMembers<'js> {
    members: Vec<Touched<'js>>,
    /// By name, once there are too many to scan.
    index: HashMap<Text, usize>,
}

#[derive(Clone)]
pub(super) struct Touched<'js> {
    pub(super) name: Text,
    /// `None` after a `delete`.
    pub(super) value: Option<JsValue<'js>>,
    /// Deleted and set again: it stands last now.
    pub(super) moved: bool,
}

impl<'js> TouchedMembers<'js> {
    fn place(&self, name: &str) -> Option<usize> {
        if self.members.len() > limits::OBJECT_SCAN_MAX {
            return self.index.get(name).copied();
        }
        self.members.iter().position(|member| member.name == name)
    }

    fn get(&self, name: &str) -> Option<&Touched<'js>> {
        self.members.get(self.place(name)?)
    }

    /// Notes a member; gives back the value that it had, to be dropped when nothing is borrowed any more.
    fn set(&mut self, name: &str, value: Option<JsValue<'js>>) -> Option<JsValue<'js>> {
        let place = self.place(name);
        if let Some(place) = place
            && let Some(member) = self.members.get_mut(place)
        {
            if member.value.is_some() || value.is_none() {
                return std::mem::replace(&mut member.value, value);
            }
            self.members.remove(place);
            self.index_all();
        }
        self.members.push(Touched { name: Text::new(name), value, moved: place.is_some() });
        if self.members.len() == limits::OBJECT_SCAN_MAX + 1 {
            self.index_all();
        } else if self.members.len() > limits::OBJECT_SCAN_MAX {
            self.index.insert(Text::new(name), self.members.len() - 1);
        }
        None
    }

    fn index_all(&mut self) {
        self.index = self.members.iter().enumerate().map(|(place, member)| (member.name.clone(), place)).collect();
    }
}

impl<'js> HostObject<'js> {
    pub(super) fn new(original: Object) -> Self {
        Self { original, touched: RefCell::default() }
    }

    /// The object as it came in.
    pub(super) fn original(&self) -> &Object {
        &self.original
    }

    /// The members that may differ from the original, in the order in which they were first touched. A copy: taking
    /// them out may run getters, which may touch more.
    pub(super) fn touched(&self) -> Vec<Touched<'js>> {
        self.touched.borrow().members.clone()
    }

    /// The member's value if the object has it.
    fn own(&self, ctx: &Ctx<'js>, name: &str) -> Result<Option<JsValue<'js>>> {
        if let Some(touched) = self.touched.borrow().get(name) {
            return Ok(touched.value.clone());
        }
        let Some(value) = self.original.get(name) else { return Ok(None) };
        let member = into_js(ctx, value)?;
        if member.is_object() {
            // The next reader gets the same object, and what it changes in there is found.
            self.touched.borrow_mut().set(name, Some(member.clone()));
        }
        Ok(Some(member))
    }

    fn has(&self, name: &str) -> bool {
        match self.touched.borrow().get(name) {
            Some(touched) => touched.value.is_some(),
            None => self.original.contains_key(name),
        }
    }

    /// The names of the members in order.
    fn names(&self) -> Vec<Text> {
        let touched = self.touched.borrow();
        let stays = |name: &&Text| touched.get(name).is_none_or(|member| member.value.is_some() && !member.moved);
        let mut names: Vec<Text> = self.original.keys().filter(stays).cloned().collect();
        let added = |member: &&Touched<'js>| {
            member.value.is_some() && (member.moved || !self.original.contains_key(&member.name))
        };
        names.extend(touched.members.iter().filter(added).map(|member| member.name.clone()));
        names
    }
}

/// The text of an atom where the engine holds it: names are read too often to be copied each time.
fn name_of<'js>(atom: &Atom<'js>) -> Result<rquickjs::CString<'js>> {
    atom.to_js_string()?.to_cstring()
}

fn prototype<'js>(ctx: &Ctx<'js>) -> Result<Option<JsObject<'js>>> {
    <rquickjs::class::Class<'js, HostObject<'js>>>::prototype(ctx)
}

impl<'js> Trace<'js> for HostObject<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        // While a change is being noted nothing is traced: then the members count as reachable, which they are.
        if let Ok(touched) = self.touched.try_borrow() {
            touched.members.iter().filter_map(|member| member.value.as_ref()).for_each(|value| value.trace(tracer));
        }
    }
}

#[expect(unsafe_code, reason = "required to keep values of the engine: the only lifetime is that of the engine")]
// SAFETY: `Changed` is the same type with the engine's lifetime replaced.
unsafe impl<'js> JsLifetime<'js> for HostObject<'js> {
    type Changed<'to> = HostObject<'to>;
}

impl<'js> JsClass<'js> for HostObject<'js> {
    const NAME: &'static str = "Object";
    const KIND: ClassKind = ClassKind::Exotic;
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<JsObject<'js>>> {
        ctx.globals().get::<_, JsObject<'js>>("Object")?.get("prototype").map(Some)
    }

    fn constructor(_ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }

    fn exotic_get_property(
        this: &JsCell<'js, Self>,
        ctx: &Ctx<'js>,
        atom: Atom<'js>,
        _receiver: JsValue<'js>,
    ) -> Result<JsValue<'js>> {
        let name = name_of(&atom)?;
        if !is_symbol(&name)
            && let Some(value) = this.borrow().own(ctx, &name)?
        {
            return Ok(value);
        }
        match prototype(ctx)? {
            Some(prototype) => prototype.get(atom),
            None => Ok(JsValue::new_undefined(ctx.clone())),
        }
    }

    fn exotic_set_property(
        this: &JsCell<'js, Self>,
        ctx: &Ctx<'js>,
        atom: Atom<'js>,
        _receiver: JsValue<'js>,
        value: JsValue<'js>,
    ) -> Result<bool> {
        // The engine lends the value, and the binding gives it up as if it had been handed over.
        raw::add_reference(ctx, &value);
        let name = name_of(&atom)?;
        let _before = this.borrow().touched.borrow_mut().set(&name, Some(value));
        Ok(true)
    }

    fn exotic_delete_property(this: &JsCell<'js, Self>, _ctx: &Ctx<'js>, atom: Atom<'js>) -> Result<bool> {
        let name = name_of(&atom)?;
        let this = this.borrow();
        if this.has(&name) {
            let _before = this.touched.borrow_mut().set(&name, None);
        }
        Ok(true)
    }

    fn exotic_has_property(this: &JsCell<'js, Self>, ctx: &Ctx<'js>, atom: Atom<'js>) -> Result<bool> {
        let name = name_of(&atom)?;
        if this.borrow().has(&name) {
            return Ok(true);
        }
        prototype(ctx)?.map_or(Ok(false), |prototype| prototype.contains_key(atom))
    }

    fn exotic_get_own_property(
        this: &JsCell<'js, Self>,
        ctx: &Ctx<'js>,
        atom: Atom<'js>,
    ) -> Result<Option<PropertyDescriptor<'js>>> {
        let value = this.borrow().own(ctx, &name_of(&atom)?)?;
        Ok(value.map(|value| PropertyDescriptor::new_value(value, true, true, true)))
    }

    fn exotic_get_own_property_names(this: &JsCell<'js, Self>, ctx: &Ctx<'js>) -> Result<Vec<PropertyName<'js>>> {
        let name = |name: Text| Ok(PropertyName { atom: Atom::from_str(ctx.clone(), &name)?, is_enumerable: true });
        this.borrow().names().into_iter().map(name).collect()
    }
}
