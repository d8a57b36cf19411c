//! Which durable subscriptions the node keeps for its flows: those of deployed versions, whether they run or not. They
//! are made, changed and removed as versions come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker::{Bindings, Rebinding};
use flow::check::Claim;
use flow::plan::Plan;
use message::{FlowId, ModuleId, TopicFilter};

use super::host::{FlowHost, Running};
use crate::destinations::PutSubscription;

/// A module whose subscription is durable.
pub(super) type Owner = (FlowId, ModuleId);

/// What the switch to a version binds anew: the subscriptions that it has, and those that nobody has any more.
pub(super) fn rebindings<'a>(
    made: &'a [(TopicFilter, PutSubscription)],
    unwanted: &'a [(Owner, Arc<Bindings>)],
) -> Vec<Rebinding<'a>> {
    let bound = made.iter().map(|(filter, put)| Rebinding {
        bindings: &put.bindings,
        filters: vec![filter.clone()],
        with_retained: true,
    });
    let unbound =
        unwanted.iter().map(|(_, bindings)| Rebinding { bindings, filters: Vec::new(), with_retained: false });
    bound.chain(unbound).collect()
}

impl FlowHost {
    /// Makes the durable subscriptions that a version has asked for while it was built.
    pub(super) async fn put_subscriptions(
        &self,
        id: &FlowId,
        next: &Running,
    ) -> Result<Vec<(TopicFilter, PutSubscription)>, String> {
        let made = next.holdings.attachment.durable.put(id, &self.parts.destinations).await;
        made.map_err(|error| format!("a durable subscription cannot be made: {error}"))
    }

    /// The durable subscriptions of the flow that this version of it does not have.
    pub(super) fn unwanted_subscriptions(&self, plan: &Plan) -> Vec<(Owner, Arc<Bindings>)> {
        let wanted = wanted(plan);
        let destinations = &self.parts.destinations;
        let owners = destinations.subscriptions().into_iter();
        let unwanted = owners.filter(|(flow, module)| *flow == plan.flow.id && !wanted.contains(module));
        let with_bindings = |(flow, module): Owner| {
            let bindings = destinations.subscription_bindings(&flow, &module)?;
            Some(((flow, module), bindings))
        };
        unwanted.filter_map(with_bindings).collect()
    }

    pub(super) async fn remove_subscriptions(&self, owners: impl IntoIterator<Item = Owner>) {
        for (flow, module) in owners {
            if let Err(error) = self.parts.destinations.remove_subscription(&flow, &module).await {
                tracing::error!(%flow, %module, "a durable subscription stays, as it cannot be removed: {error}");
            }
        }
    }

    /// Removes the durable subscriptions of a flow that is gone.
    pub(crate) async fn forget_subscriptions(&self, id: &FlowId) {
        let owners = self.parts.destinations.subscriptions().into_iter();
        self.remove_subscriptions(owners.filter(|(flow, _)| flow == id)).await;
    }

    /// Removes what a node that was killed amid a change has left: subscriptions of flows that are not deployed, and those
    /// that a deployed version does not have. One with messages in it is kept and gets no more of them: the tables may be
    /// older than what waits. What a flow has whose version cannot be read is kept as well.
    pub(crate) async fn tidy_subscriptions(&self, deployed: &BTreeSet<FlowId>) {
        let destinations = &self.parts.destinations;
        let owners = destinations.subscriptions().into_iter();
        let is_left = |(flow, module): &Owner| {
            let state = self.show(flow);
            !deployed.contains(flow) || state.is_some_and(|state| !wanted(&state.plan).contains(module))
        };
        let (kept, empty): (Vec<_>, Vec<_>) =
            owners.filter(is_left).partition(|(flow, module)| destinations.waits_in_subscription(flow, module) > 0);
        self.remove_subscriptions(empty).await;
        for (flow, module) in kept {
            let messages = destinations.waits_in_subscription(&flow, &module);
            if let Some(bindings) = destinations.subscription_bindings(&flow, &module) {
                bindings.set(Vec::new());
            }
            tracing::error!(
                %flow,
                %module,
                messages,
                "no deployed flow has a durable subscription, whose messages are kept: deploy a flow that has it, and \
                 remove that flow if the messages are not wanted"
            );
        }
    }
}

/// The modules whose durable subscriptions stay. One that is disabled keeps what it has.
fn wanted(plan: &Plan) -> BTreeSet<ModuleId> {
    let disabled = plan.modules.iter().filter(|module| module.disabled).map(|module| module.id.clone());
    let durable = |(module, claim): &(ModuleId, Claim)| {
        matches!(claim, Claim::Subscribe { durable: true, .. }).then(|| module.clone())
    };
    disabled.chain(plan.claims.iter().filter_map(durable)).collect()
}
