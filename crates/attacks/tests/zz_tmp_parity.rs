mod support;
use burn::tensor::{DType, Tensor, activation::relu};
use cni_attacks::*;
use cni_noise::Key;
use support::{Toy, images};
#[test]
fn dump() {
    let toy = Toy::new(6, DType::F64);
    let hidden = cni_noise::normal::<2>(Key::new(5), [16, 12], &toy.weight.device()).cast(DType::F64);
    let out = cni_noise::normal::<2>(Key::new(6), [4, 16], &toy.weight.device()).cast(DType::F64);
    let clean = images(48, DType::F64);
    let (h, o) = (hidden.clone(), out.clone());
    let model = move |x: Tensor<4>| relu(x.sub_scalar(0.5).flatten::<2>(1, 3).matmul(h.clone().transpose())).matmul(o.clone().transpose());
    let labels = model(clean.clone()).argmax(1).squeeze_dim::<1>(1);
    let goal = Goal::Misclassify(labels);
    let v = |t: Vec<f64>| t;
    let mut results = vec![];
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        for eps in [100.0, match norm { Norm::Linf => 0.1, Norm::L2 => 0.3, Norm::L1 => 0.8 }] {
        let threat = Threat::new(norm, eps).unwrap();
        for (name, attack) in [("fab", Fab::new(threat)), ("fabt", Fab::targeted(threat))] {
            let found = attack.perturb(&model, clean.clone(), &goal, Key::new(1), 0).unwrap();
            let d: Vec<f64> = norm.distance(&found.images, &clean).try_to_vec_as().unwrap();
            results.push(serde_json::json!([format!("{norm:?}"), name, eps, d]));
        }}
    }
    let threat = Threat::l2(100.0).unwrap();
    let others: Vec<(&str, Box<dyn Attack>)> = vec![
        ("deepfool", Box::new(DeepFool::new(threat).unwrap())),
        ("deepfoolinf", Box::new(DeepFool::new(Threat::linf(100.0).unwrap()).unwrap())),
        ("ddn", Box::new(Ddn::new(threat).unwrap().with_bisection(0))),
        ("cw", Box::new(CarliniWagner::new(threat).unwrap().with_steps(200).unwrap())),
        ("cw10", Box::new(CarliniWagner::new(threat).unwrap().with_steps(100).unwrap().with_search_steps(10).unwrap().with_confidence(0.5).unwrap())),
    ];
    for (name, attack) in others {
        let found = attack.perturb(&model, clean.clone(), &goal, Key::new(1), 0).unwrap();
        let d: Vec<f64> = attack.threat().norm().distance(&found.images, &clean).try_to_vec_as().unwrap();
        results.push(serde_json::json!([format!("{:?}", attack.threat().norm()), name, 100.0, d]));
    }
    let json = serde_json::json!({"hidden": v(hidden.try_to_vec_as().unwrap()), "out": v(out.try_to_vec_as().unwrap()), "x": v(clean.try_to_vec_as().unwrap()), "results": results});
    std::fs::write("/tmp/hp/dump.json", json.to_string()).unwrap();
}
