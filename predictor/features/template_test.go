package features_test

import (
	"testing"

	"github.com/runcast/runcast/predictor/features"
)

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template string }{
		{"", ""},
		{"train", "train"},
		{"app131", "app#"},
		{"train-8f3k2", "train-#"},
		{"train-resnet-large-8f3k2", "train-resnet-large-#"},
		{"Train_ResNet50.tiny", "train_resnet#.tiny"},
		{"etl-orders", "etl-orders"},
		{"20261125-etl-orders", "#-etl-orders"},
		{"etl-orders-6f1d2c3b-4a5e-6789-abcd-ef0123456789", "etl-orders-#"},
		{"CronJob/nightly", "cronjob/nightly"},
		{"CronJob/nightly-backup", "cronjob/nightly-backup"},
		{"größe-größer-am-größten", "größe-größer-am-größten"},
	} {
		if got := features.Template(tt.name); got != tt.template {
			t.Errorf("Template(%q) = %q, want %q", tt.name, got, tt.template)
		}
	}
}
