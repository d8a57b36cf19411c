//! The subscriptions of one session, by filter. Most clients have one or a few, and a node has thousands of clients: a
//! sorted list has no room for entries that never come, as the node of a tree does.

use message::TopicFilter;

use crate::subscription::SubscribeOptions;

/// Up to this many the list has room for no more than there are.
const EXACT_MAX: usize = 4;

/// Sorted by filter, each once.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionList {
    entries: Vec<(TopicFilter, SubscribeOptions)>,
}

impl SubscriptionList {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, filter: &TopicFilter) -> bool {
        self.place(filter).is_ok()
    }

    pub(super) fn get(&self, filter: &TopicFilter) -> Option<SubscribeOptions> {
        let place = self.place(filter).ok()?;
        self.entries.get(place).map(|(_, options)| *options)
    }

    /// Adds a subscription, or changes how it is meant.
    pub(super) fn insert(&mut self, filter: TopicFilter, options: SubscribeOptions) {
        match self.place(&filter) {
            Ok(place) => {
                if let Some((_, held)) = self.entries.get_mut(place) {
                    *held = options;
                }
            }
            Err(place) => {
                if self.entries.len() < EXACT_MAX {
                    self.entries.reserve_exact(1);
                }
                self.entries.insert(place, (filter, options));
            }
        }
    }

    /// Returns whether it was there.
    pub(super) fn remove(&mut self, filter: &TopicFilter) -> bool {
        let place = self.place(filter);
        if let Ok(place) = place {
            self.entries.remove(place);
        }
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
        place.is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicFilter, &SubscribeOptions)> {
        self.entries.iter().map(|(filter, options)| (filter, options))
    }

    pub(crate) fn filters(&self) -> impl Iterator<Item = &TopicFilter> {
        self.entries.iter().map(|(filter, _)| filter)
    }

    fn place(&self, filter: &TopicFilter) -> Result<usize, usize> {
        self.entries.binary_search_by(|(held, _)| held.cmp(filter))
    }
}

impl FromIterator<(TopicFilter, SubscribeOptions)> for SubscriptionList {
    /// Of several with one filter the last counts.
    fn from_iter<I: IntoIterator<Item = (TopicFilter, SubscribeOptions)>>(subscriptions: I) -> Self {
        let mut entries: Vec<_> = subscriptions.into_iter().collect();
        entries.reverse();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|(later, _), (kept, _)| later == kept);
        entries.shrink_to_fit();
        Self { entries }
    }
}

#[cfg(test)]
mod tests {
    use message::QoS;

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    fn options(qos: QoS) -> SubscribeOptions {
        SubscribeOptions { qos, ..SubscribeOptions::default() }
    }

    fn texts(list: &SubscriptionList) -> Vec<String> {
        list.filters().map(ToString::to_string).collect()
    }

    #[test]
    fn each_filter_stands_once_whatever_the_order_in_which_they_come() {
        let mut list = SubscriptionList::default();
        for text in ["m", "z", "a", "m", "b/+", "#"] {
            list.insert(filter(text), options(QoS::AtMostOnce));
        }
        list.insert(filter("m"), options(QoS::ExactlyOnce));
        assert_eq!(list.len(), 5);
        assert_eq!(list.get(&filter("m")).map(|options| options.qos), Some(QoS::ExactlyOnce));
        assert_eq!(list.get(&filter("z")).map(|options| options.qos), Some(QoS::AtMostOnce));
        assert!(list.remove(&filter("m")));
        assert!(!list.remove(&filter("m")));
        assert!(!list.contains(&filter("m")));
        assert_eq!(texts(&list), ["#", "a", "b/+", "z"]);
    }

    #[test]
    fn a_list_is_the_same_whether_it_was_collected_or_grew() {
        let all = [("b", QoS::AtMostOnce), ("a", QoS::AtLeastOnce), ("b", QoS::ExactlyOnce)];
        let collected: SubscriptionList = all.iter().map(|(text, qos)| (filter(text), options(*qos))).collect();
        let mut grown = SubscriptionList::default();
        all.iter().for_each(|(text, qos)| grown.insert(filter(text), options(*qos)));
        assert_eq!(texts(&collected), ["a", "b"]);
        assert!(collected.iter().eq(grown.iter()));
    }

    #[test]
    fn few_subscriptions_have_no_room_that_is_not_used() {
        let mut list = SubscriptionList::default();
        for number in 1..=EXACT_MAX {
            list.insert(filter(&number.to_string()), options(QoS::AtMostOnce));
            assert_eq!(list.entries.capacity(), number);
        }
    }
}
