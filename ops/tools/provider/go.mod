module welcome/tools/provider

go 1.26.6

require github.com/hashicorp/terraform-provider-aws v0.0.0-00010101000000-000000000000

replace github.com/hashicorp/terraform-provider-aws v0.0.0-00010101000000-000000000000 => github.com/upbound/terraform-provider-aws v0.0.0-20260305123303-f7691456b787
