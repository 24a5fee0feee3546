//! Queueing disciplines and redirection in a real kernel.

use std::process::Command;

use crate::lab::{another, link, pair, private};
use ferrule_kernel::{Errno, Ifb, IngressFilter, LinkChange, NetlinkError, RtnlSocket, Tbf, tc};

const TBF: Tbf = Tbf {
    rate: 2_500_000,
    limit: 87_500,
    buffer: 156_250,
};

fn ifb(route: &RtnlSocket, name: &str) -> u32 {
    let ifb = Ifb {
        name,
        mtu: 1400,
        group: 7,
    };
    route.execute(ifb.create()).unwrap();
    link(route, name).index
}

fn printed(arguments: &str) -> String {
    let output = Command::new("tc")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn errno<T: std::fmt::Debug>(outcome: Result<T, NetlinkError>) -> Option<Errno> {
    outcome.unwrap_err().errno()
}

ferrule_testkit::test! {
    fn an_ifb_is_born_as_asked_for(_host) needs [Ifb] {
        let route = private();
        ifb(&route, "ifb7");
        let born = link(&route, "ifb7");
        assert!(born.is_kind(Ifb::KIND) && !born.up);
        assert_eq!((born.mtu, born.group), (1400, 7));
        let again = Ifb { name: "ifb7", mtu: 1500, group: 0 };
        assert!(route.execute(again.create()).unwrap_err().is_exists());
    }
}

ferrule_testkit::test! {
    /// Also rates that need 64 bits, on links that are up and on links that are down.
    fn a_token_bucket_filter_reads_back(_host) needs [TokenBucketFilter] {
        let (route, netns) = (private(), another());
        let index = pair(&route, &netns, "here", "there").here.index;
        for rate in [TBF.rate, 1 << 33] {
            let tbf = Tbf { rate, ..TBF };
            route.execute(tbf.create(index)).unwrap();
            let found = route.root_qdisc(index).unwrap().unwrap();
            assert_eq!((found.kind.as_str(), found.tbf), ("tbf", Some(tbf)));
            if rate == TBF.rate {
                let text = printed("qdisc show dev here");
                assert!(text.contains("tbf 1: root") && text.contains("rate 20Mbit burst 25000b"), "{text}");
            }
            assert!(route.execute(tbf.create(index)).unwrap_err().is_exists());
            route.execute(tc::delete_root(index)).unwrap();
            assert!(route.execute(tc::delete_root(index)).unwrap_err().is_not_found());
            assert!(route.root_qdisc(index).unwrap().is_none_or(|qdisc| qdisc.tbf.is_none()));
            route.execute(LinkChange::new(index).down().message()).unwrap();
        }
        assert!(route.root_qdisc(9999).unwrap_err().is_not_found());
        assert!(route.execute(TBF.create(9999)).unwrap_err().is_not_found());
    }
}

ferrule_testkit::test! {
    fn what_comes_in_is_redirected(_host) needs [Ifb, IngressRedirect] {
        let (route, netns) = (private(), another());
        let index = pair(&route, &netns, "here", "there").here.index;
        let target = ifb(&route, "ifb7");
        assert_eq!(route.ingress_qdisc(index).unwrap(), None);
        assert_eq!(route.ingress_filters(index).unwrap(), []);
        assert!(route.execute(tc::redirect(index, target)).is_err(), "without a qdisc");

        route.execute(tc::add_ingress(index)).unwrap();
        assert_eq!(route.ingress_qdisc(index).unwrap().unwrap().kind, "ingress");
        assert_eq!(errno(route.execute(tc::add_ingress(index))), Some(Errno::EEXIST));
        assert_eq!(route.ingress_filters(index).unwrap(), []);

        route.execute(tc::redirect(index, target)).unwrap();
        let filter = IngressFilter { matches_all: true, redirect: Some(target) };
        assert_eq!(route.ingress_filters(index).unwrap(), [filter]);
        let text = printed("filter show dev here ingress");
        assert!(text.contains("match 00000000/00000000 at 0"), "{text}");
        assert!(text.contains("Egress Redirect to device ifb7) stolen"), "{text}");

        route.execute(tc::delete_ingress(index)).unwrap();
        assert!(route.execute(tc::delete_ingress(index)).is_err());
        assert_eq!(route.ingress_qdisc(index).unwrap(), None);
        assert_eq!(route.ingress_filters(index).unwrap(), []);
    }
}

ferrule_testkit::test! {
    /// Other filters are told from one that takes everything.
    fn filters_of_others_are_read(_host) needs [Ifb, IngressRedirect] {
        let (route, netns) = (private(), another());
        let index = pair(&route, &netns, "here", "there").here.index;
        ifb(&route, "ifb7");
        route.execute(tc::add_ingress(index)).unwrap();
        for rule in [
            "protocol ip prio 3 u32 match ip dst 10.0.0.1/32 action drop",
            "protocol ip prio 4 u32 match ip dst 10.0.0.2/32 action mirred egress mirror dev ifb7",
        ] {
            printed(&format!("filter add dev here parent ffff: {rule}"));
        }
        let other = IngressFilter { matches_all: false, redirect: None };
        assert_eq!(route.ingress_filters(index).unwrap(), [other, other]);
    }
}

ferrule_testkit::test! {
    /// The question makes nothing, whatever the loopback link has.
    fn the_driver_is_found_out_without_a_trace(_host) needs [TokenBucketFilter] {
        let route = private();
        let before = printed("qdisc show dev lo");
        assert!(route.has_tbf().unwrap());
        assert_eq!(printed("qdisc show dev lo"), before);
        route.execute(TBF.create(1)).unwrap();
        assert!(route.has_tbf().unwrap());
    }
}
