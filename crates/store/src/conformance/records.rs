//! Assets and client keys.

use domain::{AssetId, Money, OwnerId, Timestamp};

use super::Harness;
use crate::{AssetRecord, KeyRecord, StoreError};

pub(super) fn asset(id: &str) -> AssetRecord {
    AssetRecord {
        id: AssetId::new(id),
        owner: OwnerId::new("ann"),
        media_type: "video/mp4".into(),
        bytes: 1 << 40,
        created_at: Timestamp::from_millis(12_345),
        expires_at: Some(Timestamp::from_millis(23_456)),
    }
}

pub(super) fn key(owner: &str, digest: u8, created_at: i64) -> KeyRecord {
    KeyRecord {
        owner: OwnerId::new(owner),
        name: format!("key of {owner}"),
        digest: [digest; 32],
        requests_per_minute: Some(u32::MAX),
        concurrent_tasks: None,
        budget: Some(Money::from_billionths(i64::MAX)),
        dialect: Some("kie".into()),
        created_at: Timestamp::from_millis(created_at),
        revoked_at: None,
    }
}

/// Once noted it stays as it is until it is dropped.
pub async fn an_asset_is_read_back(harness: &mut dyn Harness) {
    let store = harness.store();
    let asset = asset("00ff");
    assert_eq!(store.asset(&asset.id).await.expect("asset"), None);
    store.put_asset(&asset).await.expect("put");
    let other = AssetRecord { bytes: 1, ..asset.clone() };
    assert!(matches!(store.put_asset(&other).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.asset(&asset.id).await.expect("asset"), Some(asset.clone()));
    assert!(store.drop_asset(&asset.id).await.expect("drop"));
    assert!(!store.drop_asset(&asset.id).await.expect("drop again"));
    assert_eq!(store.asset(&asset.id).await.expect("asset"), None);
    let lasting = AssetRecord { expires_at: None, ..asset };
    store.put_asset(&lasting).await.expect("put again");
    assert_eq!(store.asset(&lasting.id).await.expect("asset"), Some(lasting));
}

/// Whole, with and without limits of its own.
pub async fn a_key_is_found_by_its_digest(harness: &mut dyn Harness) {
    let store = harness.store();
    let limited = key("ann", 1, 10);
    let plain = KeyRecord {
        requests_per_minute: None,
        concurrent_tasks: Some(0),
        dialect: None,
        ..key("bob", 2, 20)
    };
    for key in [limited, plain] {
        store.put_key(&key).await.expect("put");
        assert_eq!(store.key(&key.digest).await.expect("key"), Some(key));
    }
    assert_eq!(store.key(&[3; 32]).await.expect("key"), None);
}

/// One key for each owner, one owner for each key.
pub async fn a_second_key_of_an_owner_or_digest_is_refused(harness: &mut dyn Harness) {
    let store = harness.store();
    let first = key("ann", 1, 10);
    store.put_key(&first).await.expect("put");
    for second in [key("ann", 2, 10), key("bob", 1, 10)] {
        assert!(matches!(store.put_key(&second).await, Err(StoreError::Conflict(_))));
    }
    assert_eq!(store.keys().await.expect("keys"), [first]);
}

/// Revoked ones too.
pub async fn keys_are_listed_oldest_first(harness: &mut dyn Harness) {
    let store = harness.store();
    for key in [key("young", 1, 30), key("old", 2, 10), key("middle", 3, 20)] {
        store.put_key(&key).await.expect("put");
    }
    store.revoke_key(&OwnerId::new("old"), Timestamp::from_millis(40)).await.expect("revoke");
    let keys = store.keys().await.expect("keys");
    let owners: Vec<_> = keys.iter().map(|key| key.owner.as_str()).collect();
    assert_eq!(owners, ["old", "middle", "young"]);
}

/// The first time stays, and others' keys are left alone.
pub async fn a_key_is_revoked_once(harness: &mut dyn Harness) {
    let store = harness.store();
    let ann = OwnerId::new("ann");
    let (first, later) = (Timestamp::from_millis(50), Timestamp::from_millis(60));
    assert!(!store.revoke_key(&ann, first).await.expect("revoke"));
    store.put_key(&key("ann", 1, 10)).await.expect("put");
    store.put_key(&key("bob", 2, 10)).await.expect("put");
    assert!(store.revoke_key(&ann, first).await.expect("revoke"));
    assert!(!store.revoke_key(&ann, later).await.expect("revoke"));
    let revoked_at = async |digest| store.key(&[digest; 32]).await.expect("key").expect("stored").revoked_at;
    assert_eq!(revoked_at(1).await, Some(first));
    assert_eq!(revoked_at(2).await, None);
}

/// What readiness rests on.
pub async fn a_store_answers(harness: &mut dyn Harness) {
    harness.store().ping().await.expect("ping");
}
